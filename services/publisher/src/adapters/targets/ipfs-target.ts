import type { LoadBlock } from "@skrei/unixfs/read-dag.ts";
import type { Delivery, TargetPort } from "../../ports.ts";
import { countingLoad } from "./counting-load.ts";
import { KuboRpc } from "./kubo-rpc.ts";
import { packCar } from "./pack-car.ts";
import { notOffered, unavailable } from "./target-errors.ts";

type IpfsTarget = { readonly type: "ipfs" };

export interface IpfsTargetOptions {
  /** RPC of a Kubo daemon; undefined: results do not go to IPFS. */
  readonly rpcUrl: string | undefined;
  /** Longest silence of the daemon, which is silent while it pins. */
  readonly timeoutMs: number;
  readonly load: LoadBlock;
}

/** Pins results on the operator's IPFS node. */
export class IpfsTargetAdapter implements TargetPort<IpfsTarget> {
  readonly #options: IpfsTargetOptions;

  constructor(options: IpfsTargetOptions) {
    this.#options = options;
  }

  check(): void {
    if (this.#options.rpcUrl === undefined)
      throw notOffered("The node does not publish to IPFS: it knows no IPFS node.", "The operator sets ipfsRpcUrl of the publisher.");
  }

  async deliver({ result, onProgress }: Delivery<IpfsTarget>, signal: AbortSignal): Promise<string> {
    this.check();
    const { rpcUrl: url = "", timeoutMs, load } = this.#options;
    const rpc = new KuboRpc({ url, timeoutMs });
    // It may be there already; and whoever is not let in hears of it before the blocks are sent.
    if (!(await rpc.isPinned(result.cid, signal))) {
      await rpc.importCar(packCar(countingLoad(load, onProgress), result.cid), signal);
      if (!(await rpc.isPinned(result.cid, signal))) throw unavailable(`The IPFS node took ${result.cid} and has not pinned it.`);
    }
    return `ipfs://${result.cid}`;
  }
}
