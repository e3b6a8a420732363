import type { PassOptions } from "../../../agent/pass/context.ts";
import { runPass } from "../../../agent/pass/pass.ts";
import { settingsOf } from "../support.ts";
import { Fake } from "./fake.ts";
import { type Hook, type World, world } from "./world.ts";

export interface Story {
  readonly world?: Partial<World>;
  readonly hook?: Hook;
  readonly settings?: object;
  readonly options?: Partial<PassOptions>;
  /** What the clock on the wall says, in milliseconds. */
  readonly now?: number;
}

export interface Played {
  readonly fake: Fake;
  /** The exit code; a text: what the pass threw, which main.ts turns into exit 70. */
  readonly exit: number | string;
}

/** One pass on a host in memory. */
export async function play(story: Story): Promise<Played> {
  const fake = new Fake(world(story.world), story.hook);
  fake.now = story.now ?? fake.now;
  const options = { dryRun: false, withoutPressure: false, ...story.options };
  try {
    const exit = await runPass(portsOf(fake), settingsOf(story.settings ?? {}), options);
    return { fake, exit };
  } catch (error) {
    return { fake, exit: (error as Error).message };
  }
}

export const portsOf = (fake: Fake) => ({
  pass: "p".repeat(32),
  version: "0.0.0",
  clock: fake.clock,
  journal: fake.journal,
  reader: fake.reader,
  writer: fake.writer,
  inEmergency: (holds: boolean) => {
    fake.ageLimit = holds ? "emergency" : "usual";
  },
  requests: () => fake.requests,
  host: fake.host,
  stop: fake.stop.signal,
  progress: () => {},
});

/** Before the nth request of this text, from 1. */
export const at =
  (request: string, act: Hook, when = 1): Hook =>
  (asked, nth, host, fake) => {
    if (asked === request && nth === when) act(asked, nth, host, fake);
  };

/** Each of these hooks in turn. */
export const all =
  (...hooks: readonly Hook[]): Hook =>
  (...now) => {
    for (const hook of hooks) hook(...now);
  };

/** The disk has room again from the first deletion on. */
export const relief: Hook = (request, _nth, host) => {
  if (/^(remove|untag|prune)/.test(request)) host.disk = { "/": 60, "/var/lib/docker": 60 };
};
