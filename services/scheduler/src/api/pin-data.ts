import { create } from "@bufbuild/protobuf";
import { contentIdRule, DomainError } from "@skrei/domain";
import type { Pin } from "@skrei/domain";
import { PinDataResponseSchema } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import type { PinDataRequest, PinDataResponse } from "@skrei/proto/skrei/data/v1/data_service_pb.ts";
import { msFromDuration } from "@skrei/wire/time.ts";
import { ownerOf } from "../domain/keeper.ts";
import type { ContentStorePort } from "../ports.ts";
import { contentStoreOf } from "./content-store-of.ts";
import type { SchedulerApiDeps } from "./deps.ts";
import { findKept } from "./find-kept.ts";
import { keptDataOf } from "./kept-data.ts";
import { checkContentId } from "./list-data.ts";

/** Keeps under a name what the store keeps already for another reason: a digest alone is no right to anything. */
export async function pinData(deps: SchedulerApiDeps, request: PinDataRequest, signal: AbortSignal): Promise<PinDataResponse> {
  const { cid, name } = request;
  checkContentId(cid);
  checkName(name);
  const expiresAtMs = endOf(request, deps.clock.nowMs());
  const contentStore = contentStoreOf(deps);
  const owner = ownerOf({ kind: "pin", name });
  const kept = await findKept(deps, cid, signal);
  const before = await pinsOf(contentStore, owner, signal);
  const other = before.find((pin) => pin.cid !== cid);
  if (other !== undefined) throw nameTaken(name, other);
  const heldUntilMs = deps.clock.nowMs() + HELD_MS;
  const isHeld = kept.some((pin) => pin.owner !== owner && (pin.expiresAtMs ?? Infinity) >= heldUntilMs);
  // A pin keeps the later of two ends, so an earlier one takes a new pin; what was there is held until that is in place.
  const isEarlier = before.some((pin) => (pin.expiresAtMs ?? Infinity) > (expiresAtMs ?? Infinity));
  const holder = isEarlier && !isHeld ? ownerOf({ kind: "upload", cid }) : undefined;
  if (holder !== undefined) await contentStore.pin({ cid, owner: holder, expiresAtMs: heldUntilMs }, signal);
  if (isEarlier) await contentStore.unpin([owner], signal);
  await contentStore.pin({ cid, owner, expiresAtMs }, signal);
  // An upload that was there before holds it longer than was asked, but is not ended.
  if (holder !== undefined && !kept.some((pin) => pin.owner === holder)) await contentStore.unpin([holder], signal);
  const pin = (await pinsOf(contentStore, owner, signal)).find((candidate) => candidate.cid === cid);
  const [data] = pin === undefined ? [] : await keptDataOf(deps.store, [pin]);
  return create(PinDataResponseSchema, { ...(data !== undefined && { data }) });
}

async function pinsOf(contentStore: ContentStorePort, owner: string, signal: AbortSignal): Promise<readonly Pin[]> {
  // The prefix of one owner may begin others too; its own come first.
  const { pins } = await contentStore.pins({ ownerPrefix: owner, cid: "", pageSize: PINS_LOOKED_AT, pageToken: "" }, signal);
  return pins.filter((pin) => pin.owner === owner);
}

function endOf({ timeToLive }: PinDataRequest, nowMs: number): number | undefined {
  if (timeToLive === undefined) return undefined;
  const lifeMs = msFromDuration(timeToLive);
  if (lifeMs > 0 && lifeMs <= LIFE_MS_MAX) return nowMs + lifeMs;
  throw new DomainError(
    "invalid",
    "FIELD_INVALID",
    `time_to_live is ${lifeMs / 1000} s; allowed are more than 0 and at most ${LIFE_MS_MAX / 1000} s, or nothing for good.`,
  );
}

function checkName(name: string): void {
  if (name === "") throw new DomainError("invalid", "FIELD_REQUIRED", "name is empty; data is kept under a name.");
  if (NAME.test(name) && contentIdRule(name) !== undefined) return;
  throw new DomainError(
    "invalid",
    "FIELD_INVALID",
    `name is ${JSON.stringify(name.slice(0, 80))}; allowed are 1 to 63 of a-z, 0-9, - and ., with a letter or digit at both ends, and no content id.`,
  );
}

function nameTaken(name: string, { cid }: Pin): DomainError {
  return new DomainError("invalid", "FIELD_INVALID", `The name ${name} stands for ${cid}.`, {
    metadata: { cid },
    hint: "Use another name, or remove this one first.",
  });
}

const NAME = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/u;
const LIFE_MS_MAX = 100 * 365 * 86_400_000;
const HELD_MS = 3_600_000;
const PINS_LOOKED_AT = 10;
