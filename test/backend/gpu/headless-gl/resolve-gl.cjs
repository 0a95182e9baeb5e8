/**
 * `node --require` this, and `require("gl")` means the package at GL_PACKAGE. gpu.js asks for gl by its name, and we install it outside our
 * own packages: it takes minutes to build and the system's X11 and GL headers.
 */

const Module = require("node:module");

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  return resolve.call(this, request === "gl" ? process.env.GL_PACKAGE : request, ...rest);
};
