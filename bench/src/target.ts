/** Something that exchanges tokens over HTTP and is measured. */
export interface Target {
  name: string;
  /** Where the load goes. */
  url: string;
  /** Process ids by name, each of which counts with its descendants. */
  processes: Record<string, number>;
  /** The request that exchanges this subject token. */
  exchangeRequest(subjectToken: string): string;
  stop(): Promise<void>;
}
