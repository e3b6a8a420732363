/** Who logs in at a registry, and with what: a password, or better a personal access token (PAT). */
export interface Login {
  readonly username: string;
  readonly password: string;
}
