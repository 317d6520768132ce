import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeControl, decodeFrame, decodeMeta, encodeControl, encodeFrame, encodeMeta, payloadBytes } from "./nats-frames.ts";

const sequence = fc.integer({ min: 0, max: 2 ** 32 - 1 });

test("frames come back as they were", () => {
  fc.assert(
    fc.property(fc.constantFrom("message", "end", "beat"), sequence, fc.uint8Array(), (kind, number, body) => {
      const frame = decodeFrame(encodeFrame(kind, number, body));
      expect(frame).toMatchObject({ kind, sequence: number });
      expect([...(frame?.body ?? [])]).toEqual([...body]);
    }),
  );
});

test("controls come back as they were", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("acknowledge", "cancel"),
      sequence,
      fc.string({ minLength: 1, unit: "grapheme" }),
      (kind, number, reply) => {
        expect(decodeControl(encodeControl({ kind, sequence: number, reply }))).toEqual({ kind, sequence: number, reply });
      },
    ),
  );
});

test("any bytes are a frame, a control, or nothing; never a throw", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      decodeFrame(bytes);
      decodeControl(bytes);
    }),
  );
});

test("headers, trailers, time-outs and codes come back as they were", () => {
  const meta = {
    header: new Headers([
      ["a", "1"],
      ["a", "2"],
      ["b", 'ü; "x"'],
    ]),
    trailer: new Headers({ c: "3" }),
    timeoutMs: 1_500,
    code: "not_found",
  };
  const back = decodeMeta(encodeMeta(meta));
  expect([...back.header]).toEqual([...meta.header]);
  expect([...back.trailer]).toEqual([["c", "3"]]);
  expect(back).toMatchObject({ timeoutMs: 1_500, code: "not_found" });
  expect(encodeMeta({})).toBeUndefined();
  expect(encodeMeta({ header: new Headers() })).toBeUndefined();
});

test("the size that counts against max_payload is the size on the wire", () => {
  const headers = encodeMeta({ header: new Headers({ a: "1", long: "x".repeat(300) }), timeoutMs: 5, code: "ä" });
  const wire = headers as unknown as { encode(): Uint8Array };
  expect(payloadBytes(new Uint8Array(7), headers)).toBe(wire.encode().byteLength + 7);
  expect(payloadBytes(new Uint8Array(7), undefined)).toBe(7);
});
