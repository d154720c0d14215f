// node-postgres against telestrata's door: `node postgres.js WHAT HOST PORT`. Each part checks what it gets.
'use strict'

const assert = require('node:assert')
const { Client } = require('pg')
const Cursor = require('pg-cursor')

const [what, host, port] = process.argv.slice(2)

async function values(client) {
  const sent = ['log 3', new Date('2023-11-14T22:13:20Z')]
  const found = await client.query('SELECT time, body, attributes, severity_number FROM logs WHERE body = $1 AND time >= $2', sent)
  assert.deepStrictEqual(found.rows, [
    { time: new Date('2023-11-14T22:13:23Z'), body: 'log 3', attributes: { number: '3' }, severity_number: 9 },
  ])
  const named = { name: 'counted', text: 'SELECT count(*) AS n FROM logs WHERE severity_number = ANY($1::int[])', values: [[8, 9]] }
  for (let time = 0; time < 3; time++) assert.deepStrictEqual((await client.query(named)).rows, [{ n: '1000' }])
  const several = await client.query('BEGIN; SELECT 1::int AS a; SELECT 2::int AS b; COMMIT')
  assert.deepStrictEqual(several.map((result) => result.command), ['BEGIN', 'SELECT', 'SELECT', 'COMMIT'])
  assert.deepStrictEqual(several[2].rows, [{ b: 2 }])
  await assert.rejects(client.query('SELECT nmae FROM logs'), { code: '42703', position: '8' })
  await assert.rejects(client.query('SELECT $1::int', ['x']), { code: '22P02' })
}

async function cursor(client) {
  const rows = client.query(new Cursor('SELECT value FROM generate_series(1, 9000000000000000)'))
  for (let first = 1; first < 1000; first += 100) {
    const read = await rows.read(100)
    assert.deepStrictEqual([read.length, read[0].value], [100, String(first)])
  }
  await rows.close()
  assert.deepStrictEqual((await client.query('SELECT 1::int AS one')).rows, [{ one: 1 }])
}

async function main() {
  const client = new Client({ host, port: Number(port), user: 'ann', database: 'telestrata' })
  await client.connect()
  await { values, cursor }[what](client)
  await client.end()
  console.log('passed')
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
