import { describe, expect, it } from "vitest";
import { known } from "../../../agent/facts.ts";
import { askGates, unaskedGates } from "../../../agent/gates/gates.ts";
import { runRules } from "../../../agent/gates/live-run.ts";
import { GATE_NAMES } from "../../../agent/gates/verdict.ts";
import { NOW, observation, service, settingsOf } from "../support.ts";

const settings = settingsOf({ liveRuns: { services: ["^ci-"] } });
const ask = (changes: Parameters<typeof observation>[0]) =>
  askGates({
    settings,
    runRules: runRules(settings.liveRuns),
    observation: observation(changes),
    busySince: {},
    now: NOW,
  }).map(({ gate, verdict }) => `${gate} ${verdict}`);

describe("the gates that are asked again and again", () => {
  it("are those that follow the disk and the lock, in order", () => {
    expect(unaskedGates("no engine").map(({ gate }) => gate)).toEqual(GATE_NAMES.slice(2));
  });

  it("each judge the look by themselves", () => {
    expect(ask({})).toEqual(["live-run open", "converging open"]);
    expect(ask({ services: known([service({ name: "ci-1" })]) })).toEqual([
      "live-run closed",
      "converging open",
    ]);
    const busy = service({ status: { running: 0, desired: 1, completed: 0 } });
    expect(ask({ services: known([busy]) })).toEqual(["live-run open", "converging closed"]);
  });

  it("are not known where there was nothing to ask, and say why", () => {
    expect(unaskedGates("no engine")).toEqual(
      GATE_NAMES.slice(2).map((gate) => ({ gate, verdict: "unknown", reason: "no engine", facts: {} })),
    );
  });
});
