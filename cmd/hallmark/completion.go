package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// CompletionCmd prints a completion script, made from the command tree.
type CompletionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help implements kong.HelpProvider.
func (CompletionCmd) Help() string {
	return "Example:\n\n" +
		"    source <(hallmark completion bash)\n" +
		"    hallmark completion zsh > ~/.zfunc/_hallmark\n" +
		"    hallmark completion fish > ~/.config/fish/completions/hallmark.fish"
}

// Run prints the script.
func (cmd *CompletionCmd) Run(e *Env, parser *kong.Kong) error {
	places := gather(parser.Model.Node, nil)
	var script string
	switch cmd.Shell {
	case "bash":
		script = bashScript(places)
	case "zsh":
		script = zshScript(places)
	case "fish":
		script = fishScript(places)
	}
	_, err := io.WriteString(e.Stdout, script)
	return err
}

// place is one point of the command tree: what may come next there.
type place struct {
	path  string // "device import", "" for the root
	words []word
}

// word is a command or a flag.
type word struct {
	text, help string
	values     []string // that a flag may take, if they are few
}

// gather walks the tree. Flags of the parents hold for the children.
func gather(node *kong.Node, path []string) []place {
	p := place{path: strings.Join(path, " ")}
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			p.words = append(p.words, word{"--" + f.Name, f.Help, enumOf(f.Value)})
		}
	}
	for _, arg := range node.Positional {
		for _, v := range enumOf(arg) {
			p.words = append(p.words, word{text: v, help: arg.Help})
		}
	}
	places := []place{p}
	for _, child := range node.Children {
		if child.Hidden {
			continue
		}
		places[0].words = append(places[0].words, word{text: child.Name, help: child.Help})
		places = append(places, gather(child, append(path[:len(path):len(path)], child.Name))...)
	}
	return places
}

func enumOf(v *kong.Value) []string {
	var values []string
	for _, s := range v.EnumSlice() {
		if s != "" && v.Enum != "" {
			values = append(values, s)
		}
	}
	return values
}

// flagValues are the flags with few values, each once.
func flagValues(places []place) []word {
	var flags []word
	seen := map[string]bool{}
	for _, p := range places {
		for _, w := range p.words {
			if len(w.values) > 0 && !seen[w.text] {
				seen[w.text] = true
				flags = append(flags, w)
			}
		}
	}
	return flags
}

// paths lists the places as shell patterns, quoted.
func paths(places []place) string {
	var quoted []string
	for _, p := range places[1:] {
		quoted = append(quoted, fmt.Sprintf("%q", p.path))
	}
	return strings.Join(quoted, "|")
}

func texts(words []word) string {
	var all []string
	for _, w := range words {
		all = append(all, w.text)
	}
	return strings.Join(all, " ")
}

// bashScript follows the words typed so far down the tree. Values of flags
// that happen to be command names are taken for commands; that costs a wrong
// suggestion and no more.
func bashScript(places []place) string {
	var b strings.Builder
	b.WriteString("# bash completion for hallmark\n_hallmark() {\n")
	b.WriteString("  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at= i words\n")
	b.WriteString("  case $prev in\n")
	for _, f := range flagValues(places) {
		fmt.Fprintf(&b, "    %s) COMPREPLY=($(compgen -W %q -- \"$cur\")); return ;;\n", f.text, strings.Join(f.values, " "))
	}
	b.WriteString("  esac\n  for ((i = 1; i < COMP_CWORD; i++)); do\n    case \"${at:+$at }${COMP_WORDS[i]}\" in\n")
	fmt.Fprintf(&b, "      %s) at=\"${at:+$at }${COMP_WORDS[i]}\" ;;\n    esac\n  done\n  case $at in\n", paths(places))
	for _, p := range places {
		fmt.Fprintf(&b, "    %q) words=%q ;;\n", p.path, texts(p.words))
	}
	b.WriteString("  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _hallmark hallmark\n")
	return b.String()
}

func zshScript(places []place) string {
	var b strings.Builder
	b.WriteString("#compdef hallmark\n_hallmark() {\n  local at= i\n  case ${words[CURRENT-1]} in\n")
	for _, f := range flagValues(places) {
		fmt.Fprintf(&b, "    %s) compadd -- %s; return ;;\n", f.text, strings.Join(f.values, " "))
	}
	b.WriteString("  esac\n  for ((i = 2; i < CURRENT; i++)); do\n    case \"${at:+$at }${words[i]}\" in\n")
	fmt.Fprintf(&b, "      (%s) at=\"${at:+$at }${words[i]}\" ;;\n    esac\n  done\n  case $at in\n", paths(places))
	for _, p := range places {
		fmt.Fprintf(&b, "    (%q) compadd -- %s || _files ;;\n", p.path, texts(p.words))
	}
	b.WriteString("  esac\n}\nif [ \"$funcstack[1]\" = _hallmark ]; then _hallmark \"$@\"; else compdef _hallmark hallmark; fi\n")
	return b.String()
}

func fishScript(places []place) string {
	var b strings.Builder
	b.WriteString("# fish completion for hallmark\nfunction __hallmark_at\n  set -l at\n  for word in (commandline -opc)[2..]\n")
	b.WriteString("    switch (string trim -- \"$at $word\")\n      case ")
	b.WriteString(strings.ReplaceAll(paths(places), "|", " "))
	b.WriteString("\n        set at $at $word\n    end\n  end\n  test \"$at\" = \"$argv\"\nend\n")
	for _, p := range places {
		for _, w := range p.words {
			fmt.Fprintf(&b, "complete -c hallmark -n '__hallmark_at %s' %s", p.path, fishWord(w))
		}
	}
	return b.String()
}

func fishWord(w word) string {
	help := strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", " ").Replace(w.help)
	name, isFlag := strings.CutPrefix(w.text, "--")
	switch {
	case !isFlag:
		return fmt.Sprintf("-f -a %s -d '%s'\n", w.text, help)
	case len(w.values) > 0:
		return fmt.Sprintf("-l %s -x -a '%s' -d '%s'\n", name, strings.Join(w.values, " "), help)
	}
	return fmt.Sprintf("-l %s -d '%s'\n", name, help)
}
