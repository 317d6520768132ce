/** Lets one piece of work run at a time, in the order of the calls. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  async take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work);
    // A failure is the caller's; the next in line goes on.
    this.#last = mine.catch(() => undefined);
    return await mine;
  }
}
