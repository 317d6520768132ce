/** Where a kit function starts its process: on this host as it is, or in a namespace of its own. */
export interface ProcessPlace {
  /** Put before the command; it must become that command (exec), so that signals and the pid are the process' own. */
  readonly command: readonly string[];
  /** A URL of a server there, as this process can use it. */
  reach(url: string): Promise<string>;
}

export const THIS_HOST: ProcessPlace = { command: [], reach: (url) => Promise.resolve(url) };
