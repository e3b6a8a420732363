// dockerfile-ast takes two constructors from vscode-languageserver-types, 27 KB of types of the language server protocol.
const create = (line, character) => ({ line, character });

module.exports = {
  Position: { create },
  Range: {
    create: (start, end, endLine, endCharacter) =>
      typeof start === "number"
        ? { start: create(start, end), end: create(endLine, endCharacter) }
        : { start, end },
  },
};
