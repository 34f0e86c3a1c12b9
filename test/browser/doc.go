// Package browser drives the web console in a real headless Chromium: what a
// person sees and clicks, in both languages and colour schemes, with a phone that
// scans the code on the page.
package browser
