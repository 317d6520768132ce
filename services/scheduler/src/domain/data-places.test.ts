import type { InputSource } from "@skrei/domain";
import { expect, test } from "vitest";
import { DataPlaces } from "./data-places.ts";

function http(url: string): InputSource {
  return { alias: "", target: "/in", source: { type: "http", url, sha256: "" } };
}

test("the nodes that had the data last are asked first, and no more than wanted", () => {
  const places = new DataPlaces();
  for (const slot of [1, 2, 3, 1]) places.noteInputs([http("http://a")], slot);
  expect(places.slotsOf([http("http://a")], 2)).toEqual([1, 3]);
  expect(places.slotsOf([http("http://b"), http("http://a")], 9)).toEqual([1, 3, 2]);
  expect(places.slotsOf([], 9)).toEqual([]);
});

test("whoever made a result has all that lies below it", () => {
  const places = new DataPlaces();
  places.noteResult("bafy", 7);
  expect(places.slotsOf([{ alias: "", target: "/in", source: { type: "content", cid: "bafy", path: "outputs/a" } }], 1)).toEqual([7]);
});

test("data that no node has to fetch leaves no trace", () => {
  const places = new DataPlaces();
  const local: InputSource = { alias: "", target: "/in", source: { type: "local", path: "/data" } };
  places.noteInputs([local], 1);
  expect(places.slotsOf([local], 1)).toEqual([]);
});

test("it does not grow for ever", () => {
  const places = new DataPlaces();
  for (let index = 0; index <= 10_000; index++) places.noteInputs([http(`http://${index}`)], 1);
  for (let slot = 0; slot < 100; slot++) places.noteInputs([http("http://10000")], slot);
  expect(places.slotsOf([http("http://0")], 9)).toEqual([]);
  expect(places.slotsOf([http("http://10000")], 99)).toHaveLength(8);
});
