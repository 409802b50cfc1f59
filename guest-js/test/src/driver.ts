// What the driver of the sandbox gives a test (guest-js/web/src/driver/testing.ts).

export interface ErrorReport { role: number; parent: number; name: string; message: string; stack: string; code?: string; details?: string }
export interface RequestParts { method: string; url: string; headers: string[]; body?: Uint8Array }
export interface MessageParts { id: string; publishedMs: number; attempt: number; json: string }

export interface CallOfTest {
  handler: string;
  export: string;
  trigger: string;
  json: string | undefined;
  request: RequestParts | undefined;
  messages?: MessageParts[];
  params?: string[];
  config?: string;
  attempt?: number;
  eventId?: string;
  jobId?: string;
  caller: { tenant?: string; user?: string; organisation?: string; permissions?: string[]; locale?: string };
}

export interface Testing {
  call(given: CallOfTest): Promise<unknown>;
  report(error: unknown): { reason: number; errors: ErrorReport[] };
  answerWith(answering: ((response: Response) => unknown) | undefined): void;
  nowUs(): number;
}

/** What the manifest says of the applet, as far as tests need it. */
export interface Applet {
  readonly handlers: readonly { readonly name: string; readonly export: string; readonly type: string; readonly path?: string; readonly cron?: string }[];
}
