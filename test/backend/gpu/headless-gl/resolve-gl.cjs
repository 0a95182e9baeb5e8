/**
 * With `node --require` of this file, `require("gl")` loads the package at GL_PACKAGE. gpu.js requires gl by its name, but gl is installed
 * outside node_modules, because building it takes minutes and needs the headers of X11 and GL.
 */

const Module = require("node:module");

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  return resolve.call(this, request === "gl" ? process.env.GL_PACKAGE : request, ...rest);
};
