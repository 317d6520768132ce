import { DomainError, type Pin } from "@skrei/domain";
import { CID } from "multiformats/cid";
import { create as createDigest } from "multiformats/hashes/digest";
import type { ContentId } from "@skrei/unixfs/cid.ts";
import type { PinPage, PinQuery } from "../ports.ts";
import type { StoreDatabase } from "./store-database.ts";

export interface NewPin {
  readonly owner: string;
  readonly root: ContentId;
  /** Bytes of all blocks below the root; undefined: counted when somebody asks. */
  readonly sizeBytes: number | undefined;
  /** Owned or all blocks below the root; see the table `member`. */
  readonly digests: readonly Uint8Array[];
  readonly createdAtMs: number;
  /** Undefined: never. */
  readonly expiresAtMs?: number | undefined;
}

/** Who keeps which root until when. */
export class PinTable {
  readonly #database: StoreDatabase;

  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** Within a change. A pin that exists keeps the later end. */
  insert({ owner, root, sizeBytes, digests, createdAtMs, expiresAtMs = 0 }: NewPin): void {
    const { digest } = root.multihash;
    this.#database.run(UPSERT, owner, digest, root.code, sizeBytes ?? -1, createdAtMs, expiresAtMs);
    for (const below of digests) this.#database.run("INSERT OR IGNORE INTO member (root, digest) VALUES (?, ?)", digest, below);
  }

  /** By owner, then root. @throws DomainError invalid/PAGE_TOKEN_INVALID. */
  list({ ownerPrefix, cid, pageSize, pageToken }: PinQuery<ContentId>): PinPage {
    const after = parseToken(pageToken);
    const bounds = [ownerPrefix, `${ownerPrefix}\u{10ffff}`, after.owner, after.root] as const;
    const rows =
      cid === undefined
        ? this.#database.all<PinRow>(`${LIST} LIMIT ?`, ...bounds, pageSize + 1)
        : this.#database.all<PinRow>(`${LIST_ROOT} LIMIT ?`, ...bounds, cid.multihash.digest, cid.code, pageSize + 1);
    const shown = rows.slice(0, pageSize);
    const last = rows.length > pageSize ? shown.at(-1) : undefined;
    return { pins: shown.map((row) => pinOf(this.#counted(row))), nextPageToken: last === undefined ? "" : tokenOf(last) };
  }

  /** Pins that last longer, and owners that have none, stay as they are. */
  extend(owners: readonly string[], expiresAtMs: number | undefined): void {
    this.#database.change(() => {
      for (const owner of owners) this.#database.run(EXTEND, expiresAtMs ?? 0, owner);
    });
  }

  /** Within a change: ends all pins of an owner. What they kept goes at the next collection. Returns how many there were. */
  remove(owner: string): number {
    this.#database.run("INSERT OR IGNORE INTO released SELECT root FROM pin WHERE owner = ?", owner);
    return this.#database.run("DELETE FROM pin WHERE owner = ?", owner);
  }

  /** Ends at most `countMax` pins whose time has passed. Returns how many. */
  removeExpired(nowMs: number, countMax: number): number {
    return this.#database.change(() => {
      const expired = this.#database.all<PinRow>("SELECT * FROM pin WHERE expires_ms > 0 AND expires_ms <= ? LIMIT ?", nowMs, countMax);
      for (const { owner, root } of expired) {
        this.#database.run("INSERT OR IGNORE INTO released (root) VALUES (?)", root);
        this.#database.run("DELETE FROM pin WHERE owner = ? AND root = ?", owner, root);
      }
      return expired.length;
    });
  }

  countExpired(nowMs: number): number {
    return this.#database.first<{ n: number }>("SELECT count(*) AS n FROM pin WHERE expires_ms > 0 AND expires_ms <= ?", nowMs)?.n ?? 0;
  }

  count(): number {
    return this.#database.first<{ n: number }>("SELECT count(*) AS n FROM pin")?.n ?? 0;
  }

  isPinned(root: Uint8Array): boolean {
    return this.#database.first("SELECT 1 FROM pin WHERE root = ? LIMIT 1", root) !== undefined;
  }

  /** Publishes are many and lists are few, so a result's blocks are counted here. */
  #counted(row: PinRow): PinRow {
    if (row.size_bytes >= 0) return row;
    const size_bytes = this.#database.first<{ bytes: number }>(DAG_BYTES, row.root)?.bytes ?? 0;
    this.#database.changeLazily(() =>
      this.#database.run("UPDATE pin SET size_bytes = ? WHERE owner = ? AND root = ?", size_bytes, row.owner, row.root),
    );
    return { ...row, size_bytes };
  }
}

interface PinRow {
  readonly owner: string;
  readonly root: Uint8Array;
  readonly codec: number;
  readonly size_bytes: number;
  readonly created_ms: number;
  readonly expires_ms: number;
}

function pinOf({ owner, root, codec, size_bytes, created_ms, expires_ms }: PinRow): Pin {
  const cid = CID.createV1(codec, createDigest(SHA2_256, root)).toString();
  return { owner, cid, sizeBytes: size_bytes, createdAtMs: created_ms, expiresAtMs: expires_ms === 0 ? undefined : expires_ms };
}

function tokenOf({ owner, root }: PinRow): string {
  return `${Buffer.from(root).toString("hex")}.${Buffer.from(owner).toString("base64url")}`;
}

function parseToken(token: string): { readonly owner: string; readonly root: Uint8Array } {
  if (token === "") return { owner: "", root: new Uint8Array() };
  const [, root = "", owner = ""] = /^([0-9a-f]{64})\.([\w-]{1,1024})$/u.exec(token) ?? [];
  if (root === "") {
    throw new DomainError("invalid", "PAGE_TOKEN_INVALID", "The page token is not from this list.", {
      hint: "Start again with an empty page token.",
    });
  }
  return { owner: Buffer.from(owner, "base64url").toString(), root: Buffer.from(root, "hex") };
}

/** Each block below a root once: its members, and the leaves of a result with this root. */
const DAG_BYTES = `SELECT coalesce(sum(size), 0) AS bytes FROM (
  SELECT block.digest, block.size FROM member JOIN block ON block.digest = member.digest WHERE member.root = ?1
  UNION SELECT file_block.digest, file_block.size FROM member JOIN file_block ON file_block.digest = member.digest WHERE member.root = ?1
  UNION SELECT file_block.digest, file_block.size FROM (SELECT folder FROM result WHERE root = ?1 LIMIT 1) AS home
    JOIN file ON file.folder = home.folder JOIN file_block ON file_block.file = file.id)`;
const SHA2_256 = 0x12;
const UPSERT = `INSERT INTO pin (owner, root, codec, size_bytes, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (owner, root) DO UPDATE SET expires_ms = CASE WHEN expires_ms = 0 OR excluded.expires_ms = 0 THEN 0 ELSE max(expires_ms, excluded.expires_ms) END`;
const EXTEND = "UPDATE pin SET expires_ms = CASE WHEN expires_ms = 0 OR ?1 = 0 THEN 0 ELSE max(expires_ms, ?1) END WHERE owner = ?2";
const IN_BOUNDS = "owner >= ?1 AND owner < ?2 AND (owner, root) > (?3, ?4)";
const LIST = `SELECT * FROM pin WHERE ${IN_BOUNDS} ORDER BY owner, root`;
const LIST_ROOT = `SELECT * FROM pin WHERE ${IN_BOUNDS} AND root = ?5 AND codec = ?6 ORDER BY owner, root`;
