import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

import { syscallName } from '../../src/abi/syscalls.ts';
import { analyzeProgram } from '../../src/analyze/analyze.ts';
import { temporaryDirectory } from '../support/callgate.ts';
import { straceNames } from '../support/strace.ts';

const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());

/** A server and its client, a file, a signal, time: what reaches the kernel by Go's own calls, and in variables of functions. */
const GO = `package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1)
	go func() {
		connection, _ := listener.Accept()
		fmt.Fprintln(connection, "hello")
		connection.Close()
	}()
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	text := make([]byte, 16)
	count, _ := connection.Read(text)
	file, _ := os.CreateTemp("", "go")
	file.Write(text[:count])
	file.Sync()
	file.Close()
	os.Rename(file.Name(), file.Name()+"x")
	os.Remove(file.Name() + "x")
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	<-caught
	time.Sleep(time.Millisecond)
	fmt.Println(count, os.Getuid())
}
`;

const RUST = `use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
trait Step { fn run(&self) -> u64; }
struct Folder(String);
struct Sleep(u64);
impl Step for Folder { fn run(&self) -> u64 { std::fs::read_dir(&self.0).map(|all| all.count() as u64).unwrap_or(0) } }
impl Step for Sleep { fn run(&self) -> u64 { std::thread::sleep(std::time::Duration::from_millis(self.0)); self.0 } }
fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = channel();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"hello").unwrap();
        sender.send(1u64).unwrap();
    });
    let mut text = String::new();
    TcpStream::connect(address).unwrap().read_to_string(&mut text).unwrap();
    let steps: Vec<Box<dyn Step>> = vec![Box::new(Folder("/etc".into())), Box::new(Sleep(2))];
    let sum: u64 = steps.iter().map(|step| step.run()).sum::<u64>() + receiver.recv().unwrap();
    server.join().unwrap();
    let path = std::env::temp_dir().join(format!("rust{}", std::process::id()));
    std::fs::write(&path, &text).unwrap();
    std::fs::rename(&path, path.with_extension("x")).unwrap();
    std::fs::remove_file(path.with_extension("x")).unwrap();
    let caught = std::panic::catch_unwind(|| { if text.len() > 3 { panic!("on purpose") } });
    println!("{} {}", sum > 0, caught.is_err());
}
`;

const CPP = `#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>
#include <sys/socket.h>
#include <unistd.h>
struct Step { virtual ~Step() = default; virtual int run() = 0; };
struct Pair : Step { int run() override { int ends[2]; return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 ? (int)write(ends[0], "x", 1) : 0; } };
struct Thrower : Step { int run() override { throw std::runtime_error("on purpose"); } };
int main() {
  std::vector<std::unique_ptr<Step>> steps;
  steps.push_back(std::make_unique<Pair>());
  steps.push_back(std::make_unique<Thrower>());
  std::map<std::string, std::function<int()>> table{{"identity", [] { return (int)getppid(); }}};
  int sum = table["identity"]() > 0;
  for (auto &step : steps) {
    try { sum += step->run(); } catch (const std::exception &error) { std::cerr << error.what() << '\\n'; }
  }
  std::mutex mutex; std::condition_variable ready; bool done = false;
  std::thread worker([&] { std::this_thread::sleep_for(std::chrono::milliseconds(2)); std::lock_guard lock(mutex); done = true; ready.notify_one(); });
  { std::unique_lock lock(mutex); ready.wait(lock, [&] { return done; }); }
  worker.join();
  auto path = std::filesystem::temp_directory_path() / ("cpp" + std::to_string(getpid()));
  { std::ofstream(path) << sum << std::random_device{}(); }
  std::filesystem::rename(path, path.string() + "x");
  sum += std::filesystem::file_size(path.string() + "x") > 0;
  std::filesystem::remove(path.string() + "x");
  for (auto &entry : std::filesystem::directory_iterator("/etc")) sum += entry.is_directory();
  std::cout << (sum > 0) << std::endl;
}
`;

interface Build {
  readonly name: string;
  readonly source: string;
  readonly file: string;
  readonly tool: string;
  readonly options: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const GO_ENVIRONMENT = { CGO_ENABLED: '0', GO111MODULE: 'off', GOFLAGS: '', GOTOOLCHAIN: 'local' };

const BUILDS: readonly Build[] = [
  {
    name: 'Go',
    source: GO,
    file: 'main.go',
    tool: 'go',
    options: ['build', '-o'],
    environment: GO_ENVIRONMENT,
  },
  {
    name: 'Go, position-independent',
    source: GO,
    file: 'main.go',
    tool: 'go',
    options: ['build', '-buildmode=pie', '-o'],
    environment: GO_ENVIRONMENT,
  },
  {
    name: 'Go with libc',
    source: GO.replace('import (', 'import "C"\n\nimport ('),
    file: 'main.go',
    tool: 'go',
    options: ['build', '-o'],
    environment: { ...GO_ENVIRONMENT, CGO_ENABLED: '1' },
  },
  {
    name: 'Rust',
    source: RUST,
    file: 'main.rs',
    tool: 'rustc',
    options: ['-O', '-o'],
  },
  {
    name: 'Rust without optimisation',
    source: RUST,
    file: 'main.rs',
    tool: 'rustc',
    options: ['-C', 'opt-level=0', '-o'],
  },
  { name: 'C++', source: CPP, file: 'main.cc', tool: 'g++', options: ['-O2', '-std=c++17', '-o'] },
  {
    name: 'C++, static, at fixed addresses',
    source: CPP,
    file: 'main.cc',
    tool: 'g++',
    options: ['-O1', '-std=c++17', '-static', '-no-pie', '-o'],
  },
];

function build({ name, source, file, tool, options, environment = {} }: Build): string {
  const folder = join(directory.path, name.replaceAll(/\W+/g, '-'));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, file), source);
  const program = join(folder, 'program');
  execFileSync(tool, [...options, program, file], {
    cwd: folder,
    env: { ...process.env, GOCACHE: join(directory.path, 'go'), ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return program;
}

describe.each(BUILDS)('a program of $name', (how) => {
  it('makes only calls that were found, whose numbers are known', () => {
    const program = build(how);
    const { program: found } = analyzeProgram(program, { details: false });
    const possible = new Set(found.calls.map(({ arch, nr }) => `${arch}:${syscallName(arch, nr) ?? nr}`));
    const made = straceNames([program], { cwd: directory.path });
    // strace starts the program.
    made.delete('x86_64:execve');
    expect(made.size).toBeGreaterThan(20);
    expect([...made].filter((call) => !possible.has(call))).toEqual([]);
    const unknown = found.analysis?.unresolved.filter(({ kind }) => kind === 'number') ?? [];
    expect(unknown.map((site) => site.function)).toEqual([]);
  }, 240_000);
});
