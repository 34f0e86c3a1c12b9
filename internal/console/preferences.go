package console

import (
	"slices"

	"golang.org/x/text/language"
)

// lang is a language of the console.
type lang string

// The languages.
const (
	english lang = "en"
	chinese lang = "zh-CN"
)

var langs = []lang{english, chinese}

var matcher = language.NewMatcher([]language.Tag{language.English, language.SimplifiedChinese})

// maxAccept bounds what is read of a browser's wishes.
const maxAccept = 256

// chooseLang returns the language that was chosen, or the one that the browser
// prefers.
func chooseLang(chosen, accept string) lang {
	if slices.Contains(langs, lang(chosen)) {
		return lang(chosen)
	}
	if len(accept) > maxAccept {
		return english
	}
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return english
	}
	_, i, _ := matcher.Match(tags...)
	return langs[i]
}

// Other is the language to switch to.
func (l lang) Other() lang {
	if l == english {
		return chinese
	}
	return english
}

// NextTheme is the theme to switch to.
func (v *visit) NextTheme() string {
	return themes[(slices.Index(themes, v.Theme)+1)%len(themes)]
}

// setPreference keeps a language or a theme and goes back to the page. That is a
// page of the console in any case: the form names no other.
func (v *visit) setPreference() error {
	if l := v.field("lang"); slices.Contains(langs, lang(l)) {
		v.setCookie(cookieLang, l, longLived)
	}
	if theme := v.field("theme"); slices.Contains(themes, theme) {
		v.setCookie(cookieTheme, theme, longLived)
	}
	if back := v.field("back"); v.plain[back] {
		return v.redirect(back)
	}
	return v.redirect("")
}
