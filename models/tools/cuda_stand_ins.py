"""Makes libraries to link with where CUDA's own are not at hand.

Each is a static archive of jumps, one a function that cudarc declares. The first call of a function opens the real
library and looks it up; where there is none, the function answers with an error, which candle passes on as one.
CUDA_STAND_IN_DEBUG=1 makes the program say which libraries it found.

Reads the output of `cargo metadata` from standard input; the argument is the folder to write to.
"""

import json
import pathlib
import re
import subprocess
import sys

# Library: folder in cudarc's sources, name of the real one.
LIBRARIES = {
    "cuda": ("driver", "libcuda.so.1"),
    "nvrtc": ("nvrtc", "libnvrtc.so.13"),
    "curand": ("curand", "libcurand.so.10"),
    "cublas": ("cublas", "libcublas.so.13"),
    "cublasLt": ("cublaslt", "libcublasLt.so.13"),
}

RESOLVER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
extern const char *const stand_in_LIB_names[];
extern void *stand_in_LIB_slots[];

/* 100 is CUDA_ERROR_NO_DEVICE; anything but 0 is an error in every library. */
static int fails(void) { return 100; }
static const char *says(void) { return "SONAME was not found"; }
static int says_to(int error, const char **text) { (void)error; *text = "the CUDA driver was not found"; return 0; }

static int ends_with(const char *name, const char *end) {
  size_t n = strlen(name), e = strlen(end);
  return n >= e && !strcmp(name + n - e, end);
}

static void *open_library(void) {
  static const char *const folders[] = {
    "", "/usr/local/cuda/lib64/", "/usr/local/nvidia/lib64/", "/usr/lib/wsl/lib/", 0};
  void *library = 0;
  char path[512];
  for (int i = 0; !library && folders[i]; i++) {
    snprintf(path, sizeof path, "%sSONAME", folders[i]);
    library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  }
  if (getenv("CUDA_STAND_IN_DEBUG")) fprintf(stderr, "SONAME: %s\n", library ? "found" : dlerror());
  return library;
}

void *stand_in_LIB_resolve(long index) {
  static void *library;
  static int tried;
  if (!tried) { library = open_library(); tried = 1; }
  const char *name = stand_in_LIB_names[index];
  void *function = library ? dlsym(library, name) : 0;
  if (!function) {
    int text = (strstr(name, "Error") || strstr(name, "Status")) && (ends_with(name, "String") || ends_with(name, "Name"));
    /* cuGetErrorString writes its text, the other libraries' functions return it. */
    function = !text ? (void *)fails : name[2] == 'G' ? (void *)says_to : (void *)says;
  }
  stand_in_LIB_slots[index] = function;
  return function;
}
"""

REGISTERS = ["rdi", "rsi", "rdx", "rcx", "r8", "r9", "rax"]


def jumps(library, names):
    """Returns the assembly: each function jumps through its slot, which at first leads to the resolver."""
    out = [".text"]
    for i, name in enumerate(names):
        out += [f".globl {name}", f".type {name},@function", f"{name}: jmp *.Lslot{i}(%rip)"]
        out += [f".Lfirst{i}: pushq ${i}", " jmp .Lresolve"]
    # The resolver must not disturb the arguments of the call that it is in the middle of.
    out += [".Lresolve: pushq %rbp", " movq %rsp,%rbp", " andq $-16,%rsp", " subq $192,%rsp"]
    out += [f" movq %{register},{8 * i}(%rsp)" for i, register in enumerate(REGISTERS)]
    out += [f" movups %xmm{i},{64 + 16 * i}(%rsp)" for i in range(8)]
    out += [" movq 8(%rbp),%rdi", f" call stand_in_{library}_resolve", " movq %rax,%r11"]
    out += [f" movq {8 * i}(%rsp),%{register}" for i, register in enumerate(REGISTERS)]
    out += [f" movups {64 + 16 * i}(%rsp),%xmm{i}" for i in range(8)]
    out += [" movq %rbp,%rsp", " popq %rbp", " addq $8,%rsp", " jmp *%r11"]
    out += ['.section .data.rel,"aw"', f".globl stand_in_{library}_slots", f"stand_in_{library}_slots:"]
    out += [f".Lslot{i}: .quad .Lfirst{i}" for i in range(len(names))]
    out += ['.section .data.rel.ro,"aw"', f".globl stand_in_{library}_names", f"stand_in_{library}_names:"]
    out += [f" .quad .Lname{i}" for i in range(len(names))]
    out += [".section .rodata"] + [f'.Lname{i}: .asciz "{name}"' for i, name in enumerate(names)]
    return "\n".join(out + ['.section .note.GNU-stack,"",@progbits', ""])


def make(library, soname, sources, folder):
    text = "".join(path.read_text() for path in sorted(sources.rglob("*.rs")))
    names = sorted(set(re.findall(r"pub (?:unsafe )?fn ((?:cu|nvrtc)\w+)\s*\(", text)) - {"culib"})
    if not names:
        sys.exit(f"no function of {library} was found in {sources}")
    assembly, resolver = folder / f"{library}_jumps.s", folder / f"{library}_resolver.c"
    assembly.write_text(jumps(library, names))
    resolver.write_text(RESOLVER.replace("LIB", library).replace("SONAME", soname))
    objects = []
    for source in (assembly, resolver):
        objects.append(source.with_suffix(".o"))
        subprocess.check_call(["gcc", "-O1", "-fPIC", "-c", source, "-o", objects[-1]])
    archive = folder / f"lib{library}.a"
    archive.unlink(missing_ok=True)
    subprocess.check_call(["ar", "rcs", archive, *objects])
    for leftover in (assembly, resolver, *objects):
        leftover.unlink()
    print(f"{archive.name}: {len(names)} functions")


def main():
    packages = json.load(sys.stdin)["packages"]
    cudarc = next(pathlib.Path(p["manifest_path"]).parent for p in packages if p["name"] == "cudarc")
    for library, (module, soname) in LIBRARIES.items():
        make(library, soname, cudarc / "src" / module / "sys", pathlib.Path(sys.argv[1]))


main()
