// One line for people about a delivery. The body is signed, and still only what is checked here is used.

const TITLE_CHARS_MAX = 200;

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, TITLE_CHARS_MAX) : undefined;
}

export function repositoryOf(body: any): string {
  return text(body?.repository?.full_name) ?? 'unknown repository';
}

export function summarise(event: string, body: any): string {
  const who = text(body?.sender?.login) ?? 'somebody';
  switch (event) {
    case 'push': {
      const commits = Array.isArray(body?.commits) ? body.commits.length : 0;
      const branch = text(body?.ref)?.replace(/^refs\/heads\//, '') ?? 'a branch';
      return `${who} pushed ${commits} commit${commits === 1 ? '' : 's'} to ${branch}`;
    }
    case 'pull_request':
      return `${who} ${text(body?.action) ?? 'changed'} pull request #${Number(body?.number)}: ${text(body?.pull_request?.title) ?? ''}`;
    case 'ping':
      return `${who} set up the webhook: ${text(body?.zen) ?? ''}`;
    default:
      return `${who}: ${event}${text(body?.action) === undefined ? '' : ` ${text(body?.action)}`}`;
  }
}
