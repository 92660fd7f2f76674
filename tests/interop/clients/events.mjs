// Tells of server-sent events as they arrive: `EVENT SENT ARRIVED` for each.

/** Takes the content of an event, which is the time at which it was sent. */
export function tellSent(sent) {
  console.log('EVENT', sent, ((performance.timeOrigin + performance.now()) / 1000).toFixed(6));
}

/** Takes a response's body, as fetch gives it. */
export async function tellBody(body) {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const block of body) {
    const lines = (rest + decoder.decode(block, { stream: true })).split('\n');
    rest = lines.pop();
    for (const line of lines.filter((line) => line.startsWith('data: {'))) {
      tellSent(JSON.parse(line.slice('data: '.length)).choices[0].delta.content);
    }
  }
}
