// Pages: what `load` gives is what the component gets. A component is a function of its props; React's own types are not needed here.

import type { Context, Load, Page, PageProps } from '@belljar/sdk';

interface Report { id: number; lines: string[] }

export const load: Load<{ report: Report }> = async ({ params, sdk, notFound }) => {
  const report = await sdk.db.queryOne<Report>('SELECT * FROM reports WHERE id = ?', [params['id'] ?? '']);
  return report === null ? notFound() : { report };
};
export const answered: Load = ({ forbidden }) => forbidden();
export const byName: Load<{ name: string }, { id: string }> = (_context, { id }) => ({ name: id });
// @ts-expect-error a report was promised
export const wrong: Load<{ report: Report }> = () => ({ reports: [] });
// @ts-expect-error props are an object
export const text: Load<string> = () => 'text';
export async function plain(context: Context): Promise<{ name: string }> {
  return { name: context.applet };
}

export default function Component({ report, page }: PageProps<{ report: Report }>): string {
  const where: string = `${page.base}${page.path}#${page.params['id'] ?? ''}`;
  const who: string | null = page.user;
  // @ts-expect-error nobody may be known
  void page.user.length;
  // @ts-expect-error nothing else of the context reaches a page
  void page.sdk;
  return `${report.id} ${report.lines.length} ${where} ${who ?? ''} ${page.locale} ${page.permissions.includes('x')}`;
}

export const empty = ({ page }: PageProps): Page => page;
