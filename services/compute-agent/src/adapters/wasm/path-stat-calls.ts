import { lutimesSync } from "node:fs";
import { newTimes, putBareFilestat, putFilestat } from "./filestat.ts";
import { resolveAt } from "./path-change-calls.ts";
import { FILE_TYPE, LOOKUP_FOLLOW, RIGHT } from "./wasi-constants.ts";
import type { SystemCalls, WasiContext } from "./wasi-context.ts";
import { WasiError } from "./wasi-errno.ts";

/** path_filestat_get, path_filestat_set_times. */
export function pathStatCalls(context: WasiContext): SystemCalls {
  const { memory } = context;
  return {
    path_filestat_get: (fd: number, flags: number, pathPointer: number, pathLength: number, pointer: number) => {
      const isLastFollowed = (flags & LOOKUP_FOLLOW) !== 0;
      const place = resolveAt(context, { fd, right: RIGHT.pathFilestatGet, path: memory.text(pathPointer, pathLength), isLastFollowed });
      if (place.kind === "host" && place.stat !== undefined) putFilestat(memory, pointer, place.stat, place.point.device);
      else if (place.kind === "synthetic" && place.directory !== undefined) putBareFilestat(memory, pointer, FILE_TYPE.directory);
      else throw new WasiError("ENOENT");
    },
    path_filestat_set_times: (
      fd: number,
      lookupFlags: number,
      pathPointer: number,
      pathLength: number,
      atimeNs: bigint,
      mtimeNs: bigint,
      flags: number,
    ) => {
      const isLastFollowed = (lookupFlags & LOOKUP_FOLLOW) !== 0;
      const place = resolveAt(context, { fd, right: RIGHT.pathSetTimes, path: memory.text(pathPointer, pathLength), isLastFollowed });
      if (place.kind === "synthetic") throw new WasiError(place.directory === undefined ? "ENOENT" : "EROFS");
      if (place.stat === undefined) throw new WasiError("ENOENT");
      if (place.point.mount.isReadOnly) throw new WasiError("EROFS");
      const { atime, mtime } = newTimes(place.stat, { atimeNs, mtimeNs, flags });
      // The path was resolved already; whatever is there now is not followed again.
      lutimesSync(place.hostPath, atime, mtime);
    },
  };
}
