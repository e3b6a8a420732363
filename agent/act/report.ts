import { stopReason } from "../host/stop.ts";
import { claimed, event, type Level, objectEvent, objectFields, type StepReport } from "../log/events.ts";
import { type Judged, NOT_NEEDED, type ReasonCode } from "../plan/plan.ts";
import type { ActPorts, Ending } from "./ports.ts";
import type { Outcome } from "./remove.ts";

export type Step = Pick<StepReport, "by" | "kind">;

/** Logs and counts what became of each object of a plan. */
export class Report {
  #left = 0;

  constructor(private readonly ports: Pick<ActPorts, "journal" | "tally">) {}

  tell(object: Judged, outcome: Outcome): void {
    const { journal, tally } = this.ports;
    if (outcome.fate === "not-reached") this.leave([object]);
    else if (outcome.fate === "kept") this.#keep(object, outcome.kept.because, outcome.kept.reason);
    else if (outcome.fate === "failed") {
      const { message, status = null, kind } = outcome.error;
      const removed = outcome.unknown ? "unknown" : "no";
      journal.emit(event("object.failed", { ...objectFields(object), error: message, status, removed }));
      tally.add(object, "failed", kind);
    } else {
      journal.emit(objectEvent(outcome.fate, object));
      if (outcome.fate === "removed") tally.addRemoved(object, claimed(object));
      else tally.add(object, outcome.fate, object.because);
    }
  }

  /** Told as removed, and it is still there. */
  takeBack(object: Judged, outcome: Outcome): void {
    this.ports.tally.takeBack(object, claimed(object));
    this.tell(object, outcome);
  }

  /** What the last tier has no need to take. */
  spare(objects: readonly Judged[]): void {
    for (const object of objects) this.#keep(object, NOT_NEEDED.because, NOT_NEEDED.reason);
  }

  /** What is not come to any more. */
  leave(objects: readonly Judged[]): void {
    for (const object of objects) this.#keep(object, "not-reached", "the pass ended before it came to this");
    this.#left += objects.length;
  }

  ended(ending: Ending, stepsLeft: readonly Step[], stop: AbortSignal): void {
    const kinds = [...new Set(stepsLeft.map(({ kind }) => kind))];
    const end = (reason: string, level: Level) =>
      this.ports.journal.emit(
        event("pass.ended-early", { reason, left: this.#left, stepsLeft: kinds }, level),
      );
    if (ending.by === "gate") end(ending.verdict.reason, "warn");
    else if (ending.by === "stop") end(stopReason(stop), "warn");
    else if (ending.by === "low-watermark") end("every filesystem is below the low watermark", "info");
    else end(ending.error.message, "error");
  }

  #keep(object: Judged, because: ReasonCode, reason: string): void {
    const { journal, tally } = this.ports;
    journal.emit(objectEvent("kept", { ...object, action: "keep", because, reason }));
    tally.add(object, "kept", because);
  }
}
