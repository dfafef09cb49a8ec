// Sends one message, or several at once, as standard input says in JSON: transport, file, envelope, count.
// In: that. Out: exit status 0 when every message was taken; the first error and status 1 otherwise.
'use strict';

const fs = require('fs');
const nodemailer = require('nodemailer');

async function main() {
  const order = JSON.parse(fs.readFileSync(0, 'utf8'));
  const transport = nodemailer.createTransport(order.transport);
  const raw = fs.readFileSync(order.file);
  const message = () => transport.sendMail({ raw, envelope: order.envelope });
  await Promise.all(Array.from({ length: order.count }, message));
  transport.close();
}

main().catch((error) => {
  console.error(error.code, error.message);
  process.exit(1);
});
