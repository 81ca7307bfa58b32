import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A finished run of a program.
public struct ProgramRun: Sendable {
  /// The exit code; 128 plus the number of the signal that ended it.
  public let status: Int32
  public let output: String
  public let errors: String
  /// The most memory it was seen to occupy, in bytes, looked at every few milliseconds; 0 where that is not known.
  public let peakMemory: Int
}

/// The `microtome` binary of this build, run as a user runs it.
public enum Program {
  /// The program built beside the tests.
  public static let path: String = {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let length = readlink("/proc/self/exe", &buffer, Int(PATH_MAX))
    let tests = String(decoding: buffer.prefix(max(0, length)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    return Path.join(Path.split(tests).folder, "microtome")
  }()

  /// A signal to be sent to a running program.
  public struct Signal {
    let number: Int32
    /// Asked every few milliseconds; the signal is sent once it holds.
    let condition: () -> Bool

    /// Ctrl-C.
    public static func interrupt(when condition: @escaping () -> Bool) -> Signal {
      Signal(number: SIGINT, condition: condition)
    }

    /// `kill -9`.
    public static func kill(when condition: @escaping () -> Bool) -> Signal {
      Signal(number: SIGKILL, condition: condition)
    }

    /// What a shutdown or a batch system sends.
    public static func terminate(when condition: @escaping () -> Bool) -> Signal {
      Signal(number: SIGTERM, condition: condition)
    }
  }

  /// Runs the program to its end.
  ///
  /// - Parameters:
  ///   - script: a program to be run instead of `microtome`.
  ///   - name: what the program is told it was started as; nil for its path.
  ///   - environment: added to this process's own; nil takes a variable away.
  ///   - largestFile: the size, in blocks of 512 or 1024 bytes, beyond which it may not write files.
  ///   - limit: after so many seconds it is killed, which gives status 137.
  public static func run(
    _ arguments: [String], script: String? = nil, name: String? = nil, environment: [String: String?] = [:],
    signal: Signal? = nil, largestFile: Int? = nil, limit: Double = 60
  ) throws -> ProgramRun {
    let folder = try TemporaryFolder()
    let (outputPath, errorPath) = (folder("out"), folder("err"))
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errorPath, O_WRONLY | O_CREAT, 0o600)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Tests started in the background may have inherited ignored signals; the program must not.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    sigaddset(&signals, SIGTERM)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    // Nor must it inherit the signals that a thread of the tests' pool blocks.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

    let program = script ?? path
    var executable = program
    var words = [name ?? program] + arguments
    if let largestFile {
      executable = "/bin/sh"
      words = ["sh", "-c", "ulimit -f \(largestFile); exec \"$@\"", "sh", program] + arguments
    }
    let argv = words.map { strdup($0) } + [nil]
    let envp = variables(environment).map { strdup($0) } + [nil]
    defer { for text in argv + envp { free(text) } }
    var child = pid_t()
    let failure = posix_spawn(&child, executable, &actions, &attributes, argv, envp)
    guard failure == 0 else { throw Failure(.internalError, systemMessage(failure), file: executable) }

    let (status, peak) = wait(for: child, signal: signal, limit: limit)
    let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    return ProgramRun(
      status: code, output: String(decoding: try Path.read(outputPath), as: UTF8.self),
      errors: String(decoding: try Path.read(errorPath), as: UTF8.self), peakMemory: peak)
  }

  private static func wait(for child: pid_t, signal: Signal?, limit: Double) -> (status: Int32, peakMemory: Int) {
    let pause: UInt32 = 3000
    var clock = Stopwatch()
    var elapsed = 0.0
    var pending = signal
    var (status, peak): (Int32, Int) = (0, 0)
    while waitpid(child, &status, WNOHANG) == 0 {
      if let signal = pending, signal.condition() {
        kill(child, signal.number)
        pending = nil
      }
      elapsed += clock.lap()
      if elapsed > limit { kill(child, SIGKILL) }
      peak = max(peak, residentPeak(of: child))
      usleep(pause)
    }
    return (status, peak)
  }

  /// The high-water mark of a process's memory. (What `wait4` reports includes this process's own, from before `exec`.)
  private static func residentPeak(of process: pid_t) -> Int {
    let descriptor = open("/proc/\(process)/status", O_RDONLY)
    guard descriptor >= 0 else { return 0 }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = read(descriptor, &buffer, buffer.count)
    guard count > 0 else { return 0 }
    for line in String(decoding: buffer.prefix(count), as: UTF8.self).split(separator: "\n") {
      guard line.hasPrefix("VmHWM:") else { continue }
      return (Int(line.split(whereSeparator: { !$0.isNumber }).first ?? "") ?? 0) << 10
    }
    return 0
  }

  /// This process's environment with changes, as `NAME=value`.
  private static func variables(_ changes: [String: String?]) -> [String] {
    var variables = [String: String]()
    var entry = environ
    while let pointer = entry.pointee {
      let text = String(cString: pointer)
      if let equals = text.firstIndex(of: "=") {
        variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
      }
      entry += 1
    }
    for (name, value) in changes { variables[name] = value }
    return variables.map { "\($0)=\($1)" }
  }
}
