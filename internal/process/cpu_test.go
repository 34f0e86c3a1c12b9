package process

import (
	"math"
	"os"
	"os/exec"
	"testing"
	"time"
)

// What a process has used is between nothing and what its parts add up to, grows
// as it works, and is an error when there is no such process.
func TestCPU(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil || before <= 0 {
		t.Fatalf("this process: %v, %v", before, err)
	}
	for now := before; now-before < time.Millisecond; { // works until it shows
		if now, err = CPU(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{gone.Process.Pid, 0, -1, 1<<29 + os.Getpid(), math.MaxInt32} {
		if used, err := CPU(pid); err == nil {
			t.Errorf("process %d, which is none: %v", pid, used)
		}
	}
}
