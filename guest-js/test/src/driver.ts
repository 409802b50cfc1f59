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

/** How an operation ended, as far as tests make it up. */
export type Outcome =
  | { kind: 'text'; text: string }
  | { kind: 'error'; code: string; message: string; capability: string; limit?: string; allowed?: number; used?: number };

/** What stands in for a host's own capabilities (guest-js/web/src/sdk/custom.ts). */
export interface CustomDouble {
  readonly asked: readonly string[];
  functions(capability: string): readonly string[] | undefined;
  missing(capability: string, name: string): string;
  answer(capability: string, name: string, argument: string): Promise<Outcome>;
}

export interface Testing {
  call(given: CallOfTest): Promise<unknown>;
  report(error: unknown): { reason: number; errors: ErrorReport[] };
  answerWith(answering: ((response: Response) => unknown) | undefined): void;
  doubleCustom(double: CustomDouble): void;
  nowUs(): number;
}

/** What the manifest says of the applet, as far as tests need it. */
export interface Applet {
  readonly handlers: readonly { readonly name: string; readonly export: string; readonly type: string; readonly path?: string; readonly cron?: string }[];
  /** `permissions.custom`. */
  readonly custom: readonly string[];
}
