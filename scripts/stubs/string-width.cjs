// yargs carries three copies of string-width, each of which builds an Intl.Segmenter at load (27 ms in all). What is
// measured here is help texts and object names, nearly always ASCII: code points without colour codes are the width.
const { stripVTControlCharacters } = require("node:util");

module.exports = (text) => [...stripVTControlCharacters(String(text))].length;
