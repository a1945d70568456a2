// Every npm script begins here: the daemon and its tools need Node.js 24, which the npm package `node` puts first on the path.
const major = Number(process.versions.node.split('.')[0])
if (major !== 24) {
  console.error(
    `Shoal needs Node.js 24, this is ${process.version}. Run it through npm (npm run …) after npm ci, which brings Node.js 24 along.`,
  )
  process.exit(1)
}
