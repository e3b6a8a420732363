import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { calendarTicks, formatMoment, formatShort } from "../../../agent/cli/ticks.ts";

const zone = process.env.TZ;
afterAll(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

const labels = (from: string, to: string, most = 6) =>
  calendarTicks(Date.parse(from), Date.parse(to), most).map(({ label }) => label);

describe("dates on an axis", () => {
  beforeAll(() => {
    process.env.TZ = "UTC";
  });

  it.each([
    [
      "2026-07-25T12:00Z",
      "2026-08-01T12:00Z",
      ["Jul 26", "Jul 27", "Jul 28", "Jul 29", "Jul 30", "Jul 31", "Aug 1"],
    ],
    [
      "2026-08-01T00:00Z",
      "2026-08-01T06:00Z",
      ["Aug 1", "01:00", "02:00", "03:00", "04:00", "05:00", "06:00"],
    ],
    ["2026-08-01T11:58Z", "2026-08-01T12:02Z", ["11:58", "11:59", "12:00", "12:01", "12:02"]],
    ["2026-07-01T00:00Z", "2026-07-31T00:00Z", ["Jul 5", "Jul 12", "Jul 19", "Jul 26"]],
    ["2025-11-20T00:00Z", "2026-03-02T00:00Z", ["Dec 1", "2026", "Feb 1", "Mar 1"]],
    ["2022-06-01T00:00Z", "2026-06-01T00:00Z", ["2023", "2024", "2025", "2026"]],
  ])("from %s to %s", (from, to, expected) => {
    expect(labels(from, to)).toEqual(expected);
  });

  it("of seconds are the whole minutes among them", () => {
    expect(labels("2026-08-01T11:59:50Z", "2026-08-01T12:00:10Z")).toEqual(["12:00"]);
  });

  it("of a moment are at most that moment", () => {
    expect(labels("2026-08-01T12:00:30Z", "2026-08-01T12:00:30Z")).toEqual([]);
  });
});

describe("in another time zone", () => {
  beforeAll(() => {
    process.env.TZ = "Europe/Berlin";
  });

  it("days begin there, also where the clock is changed", () => {
    const ticks = calendarTicks(Date.parse("2026-10-23T12:00Z"), Date.parse("2026-10-27T12:00Z"), 3);
    expect(ticks.map(({ at, label }) => [new Date(at).toISOString().slice(5, 13), label])).toEqual([
      ["10-23T22", "Oct 24"],
      ["10-24T22", "Oct 25"],
      ["10-25T23", "Oct 26"],
      ["10-26T23", "Oct 27"],
    ]);
  });

  it("moments are written as they are there", () => {
    const at = Date.parse("2026-12-31T23:05Z");
    expect([formatShort(at), formatMoment(at)]).toEqual(["01-01 00:05", "2027-01-01 00:05"]);
  });
});
