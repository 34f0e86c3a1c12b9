// Listens for what becomes of the scan on the first page, and sends the form
// that collects the login once the phone has confirmed. Server-sent events
// first; where they do not get through, a long poll.
'use strict';
(() => {
  const scan = document.getElementById('scan');
  if (!scan || !scan.dataset.state) return;
  const state = document.getElementById('scan-state');
  const refused = document.getElementById('scan-refused');
  const renew = document.getElementById('scan-new');
  let over = false;
  let failures = 0;

  function show(word) {
    failures = 0;
    scan.dataset.state = word.state;
    scan.dataset.refused = word.refused || '';
    state.textContent = word.message;
    refused.textContent = word.refused || '';
    refused.hidden = !word.refused;
    if (word.state === 'created' || word.state === 'scanned') return;
    over = true;
    if (word.state === 'authenticated') {
      document.getElementById('collect').submit();
    } else if (word.state === 'consumed') {
      location.replace('/console/'); // by another tab
    } else {
      renew.hidden = false;
      renew.focus();
    }
  }

  function lost() {
    failures++;
    state.textContent = scan.dataset.lost;
  }

  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  async function poll() {
    while (!over) {
      const known = new URLSearchParams({ state: scan.dataset.state, refused: scan.dataset.refused });
      try {
        const answer = await fetch('/console/login/status?' + known, { cache: 'no-store' });
        if (answer.status === 404) return location.reload(); // its session is gone
        if (!answer.ok) throw new Error(answer.statusText);
        show(await answer.json());
      } catch {
        lost();
        await pause(Math.min(1000 * 2 ** failures, 15000));
      }
    }
  }

  function listen() {
    const events = new EventSource('/console/login/events');
    events.onmessage = (event) => {
      show(JSON.parse(event.data));
      if (over) events.close();
    };
    events.onerror = () => {
      lost();
      if (failures >= 3 || events.readyState === EventSource.CLOSED) {
        events.close();
        poll();
      }
    };
  }

  if (window.EventSource) listen();
  else poll();
})();
