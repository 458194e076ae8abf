// Banyan's own script. Every page works without it; it adds what only a browser can do:
// dialogs over the page, keys, the theme without a reload, and telling when live data stopped.
(() => {
  'use strict';
  const STALE_MS = 30000, POLL_MS = 10000, QUIET_MS = 12000, TOAST_MS = 8000;
  const root = document.documentElement;
  const $ = (selector, from = document) => from.querySelector(selector);
  const on = (name, run) => document.addEventListener(name, run);
  const remember = (name, value) => {
    document.cookie = `${name}=${value};path=/;max-age=31536000;samesite=lax`;
  };
  root.classList.add('js');
  // The server prints times in the reader's zone.
  remember('tz', Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC');

  /* Theme: system, light, dark. */
  const setTheme = (value) => {
    if (value === 'next') {
      const dark = root.dataset.theme ? root.dataset.theme === 'dark'
        : matchMedia('(prefers-color-scheme: dark)').matches;
      value = dark ? 'light' : 'dark';
    }
    if (value) root.dataset.theme = value; else delete root.dataset.theme;
    remember('theme', value);
  };

  /* Dialogs: the server sends one into #dialogs, or the static #keys is opened. */
  const phone = matchMedia('(max-width:720px)');
  const open = (dialog) => {
    if (!dialog || dialog.open) return;
    dialog.showModal();
    const red = $('.danger', dialog);
    if (red) red.focus({focusVisible: true, preventScroll: true});
    else if (phone.matches) $('.mt-h', dialog)?.focus();
    dialog.scrollTop = 0;
  };
  const shut = () => document.querySelectorAll('dialog[open]').forEach((d) => d.close());
  // After settling: htmx focuses [autofocus] itself before, which on a phone would raise the keyboard.
  on('htmx:afterSettle', (e) => {
    if (e.target.id === 'dialogs') open($('dialog', e.target));
    if (e.target.id === 'notices') { shut(); scrollTo({top: 0}); }
  });
  // `close` does not bubble, hence the capture.
  document.addEventListener('close', (e) => { if (e.target.id === 'dlg') e.target.remove(); }, true);

  on('click', (e) => {
    const closing = e.target.closest('[data-close]');
    if (closing?.closest('dialog')) { e.preventDefault(); closing.closest('dialog').close(); }
    const theme = e.target.closest('[data-theme-set]');
    if (theme) { e.preventDefault(); setTheme(theme.value); }
    if (e.target.closest('[data-print]')) print();
  });
  // Captured, so that a closed action never reaches htmx.
  document.addEventListener('click', (e) => {
    if (e.target.closest('[aria-disabled=true]')) { e.preventDefault(); e.stopPropagation(); }
  }, true);
  on('change', (e) => { if (e.target.matches('[data-submit]')) e.target.form.requestSubmit(); });
  on('input', (e) => {
    const wanted = e.target.dataset.confirm;
    if (wanted) e.target.classList.toggle('ok', e.target.value.trim() === wanted);
  });

  /* A form in flight says so and cannot be sent twice. */
  const release = () => document.querySelectorAll('[data-was]').forEach((b) => {
    b.disabled = false;
    b.replaceChildren(...b.was);
    b.removeAttribute('data-was');
  });
  on('submit', (e) => {
    const button = e.submitter;
    if (!button?.dataset.busy || e.defaultPrevented && !button.form.hasAttribute('hx-post')) return;
    setTimeout(() => {
      button.was = [...button.childNodes];
      button.dataset.was = '';
      button.disabled = true;
      button.textContent = button.dataset.busy;
    });
  });
  on('htmx:afterRequest', (e) => { if (e.detail.elt.matches('form')) setTimeout(release); });
  // What a person asked for and did not get is said where they look: in the dialog, else on top.
  const failed = (e) => {
    if (e.detail.elt.hasAttribute('data-live-part')) return;
    const answered = e.type === 'htmx:responseError';
    const text = answered ? 'Banyan failed on this. Load the page again to see what stands.'
      : 'Banyan did not answer. Load the page again to see what stands.';
    const spot = $('dialog[open] .mf p');
    if (spot) { spot.textContent = text; spot.className = 'c-fail'; spot.setAttribute('role', 'alert'); return; }
    $('#problem .strong').textContent = text;
    $('#problem').hidden = false;
  };
  on('htmx:responseError', failed);
  on('htmx:sendError', failed);
  addEventListener('pageshow', (e) => { if (e.persisted) release(); });

  /* Live: `beat` every few seconds; without it the page polls, and after 30 s it says so. */
  const live = $('[data-live]'), short = $('[data-live-short]'), stale = $('#stale');
  let seen = Date.now(), beat = Date.now(), polled = 0, dirty = false;
  const time = (ms) => new Date(ms).toLocaleTimeString('en-GB');
  const say = (old) => {
    const text = time(seen);
    const [state, at] = live.firstElementChild.children;
    state.textContent = old ? 'Not live, last update' : 'Live, updated';
    at.textContent = text;
    if (short) short.textContent = text.slice(0, 5);
    [live, short].forEach((el) => el?.classList.toggle('stale', old));
    root.classList.toggle('is-stale', old);
    stale.hidden = !old;
    document.querySelectorAll('[data-forward]').forEach((a) => {
      if (old) a.setAttribute('aria-disabled', 'true'); else a.removeAttribute('aria-disabled');
    });
    if (!old) return;
    const age = Math.round((Date.now() - seen) / 1000);
    const words = age < 60 ? `${age} s` : `${Math.floor(age / 60)} min ${age % 60} s`;
    $('.strong', stale).textContent = `Live updates stopped at ${text}.`;
    $('p', stale).textContent =
      `Numbers are ${words} old. Promotion is off until data is fresh. Roll back still works.`;
  };
  const poll = () => { polled = Date.now(); htmx.trigger(document.body, 'poll'); };
  const heard = () => { seen = Date.now(); if (live) say(false); };
  if (live) {
    on('sse:beat', () => { beat = Date.now(); heard(); });
    on('htmx:afterRequest', (e) => {
      if (e.detail.successful && e.detail.elt.hasAttribute('data-live-part')) heard();
    });
    // A hidden tab asks for nothing; it catches up when it is looked at again.
    on('htmx:beforeRequest', (e) => {
      if (document.hidden && e.detail.elt.hasAttribute('data-live-part')) {
        dirty = true;
        e.preventDefault();
      }
    });
    on('visibilitychange', () => { if (!document.hidden && dirty) { dirty = false; poll(); } });
    setInterval(() => {
      const t = Date.now();
      if (document.hidden) return;
      if (t - beat > QUIET_MS && t - polled > POLL_MS) poll();
      if (t - seen > STALE_MS) say(true);
    }, 1000);
  }

  /* Keys open things; none acts by itself. */
  const keysOn = $('#keys-on');
  if (keysOn) {
    keysOn.checked = localStorage.getItem('keys') !== 'off';
    keysOn.addEventListener('change', () => localStorage.setItem('keys', keysOn.checked ? 'on' : 'off'));
  }
  let before = '';
  on('keydown', (e) => {
    const typing = e.target.closest('input:not([type=radio]):not([type=checkbox]),textarea,select');
    if (typing || e.ctrlKey || e.metaKey || e.altKey || $('dialog[open]')) return;
    if (e.key === '?') { open($('#keys')); return; }
    if (!keysOn?.checked) return;
    const typed = before ? `${before} ${e.key}` : e.key;
    const target = [...document.querySelectorAll('[data-key]')].find((el) => el.dataset.key === typed);
    before = e.key === 'g' ? 'g' : '';
    if (!target || target.getAttribute('aria-disabled') === 'true') return;
    e.preventDefault();
    if (target.matches('input')) target.focus(); else target.click();
  });

  const toast = $('[data-toast]');
  if (toast) setTimeout(() => toast.remove(), TOAST_MS);
})();
