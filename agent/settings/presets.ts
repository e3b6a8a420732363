/** The rows of gates/presets.ts by name: the front, which checks the settings, need not load the rows themselves. */
export const PRESET_NAMES = [
  "gitlab-runner",
  "drone",
  "woodpecker",
  "gitea-act-runner",
  "forgejo-runner",
  "github-actions",
  "testcontainers",
  "buildx",
] as const;

export type PresetName = (typeof PRESET_NAMES)[number];
