/**
 * Bundled in place of the packages that node-vault loads and that nothing here calls (docs/decisions/0024).
 * node-vault calls `debug` once, to make a logger that it then does not use. Of the others it uses members:
 * that would throw.
 */
module.exports = () => {};
