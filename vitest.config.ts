import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // What a module becomes is kept in node_modules, by its content: the next run has a third of its loading done.
    experimental: { fsModuleCache: true },
    projects: [
      {
        test: {
          name: "unit",
          include: ["tests/unit/**/*.test.ts", "tests/golden/**/*.test.ts"],
          // Half the time would go into loading the same modules for each file anew. No test changes a module.
          isolate: false,
          // By default vitest leaves one core to others: half of a machine with two.
          maxWorkers: "100%",
          // Of tests that wait side by side for processes of their own.
          maxConcurrency: 20,
          testTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          // Against the finished bundle and, where root and docker are at hand, real engines.
          name: "engine",
          include: ["tests/engine/**/*.test.ts"],
          // Of a machine that does other things as well: builds beside passes are the slowest.
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // Each file runs its own engine on its own disk, and waits for it half of the time: two cores carry three.
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
      {
        // Metrics, alerts and dashboard against the real tools of the Prometheus project.
        test: {
          name: "monitoring",
          include: ["tests/monitoring/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 60_000,
          // Beside the engines: some workers would wait for another's last long file.
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
      {
        // The same with a week of passes, and pictures of it: npm run test:monitoring.
        test: {
          name: "monitoring-week",
          include: ["tests/monitoring/week/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 4 },
        },
      },
      {
        // The flake, the module and the units, as far as Nix evaluates them without nixpkgs.
        test: {
          name: "nix",
          include: ["tests/nix/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // The rendered units under a real systemd as PID 1, with an engine of its own.
        test: {
          name: "systemd",
          include: ["tests/systemd/**/*.test.ts"],
          // Two machines that boot at once on two cores keep each other from their deadlines.
          maxWorkers: 1,
          testTimeout: 120_000,
          hookTimeout: 600_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
