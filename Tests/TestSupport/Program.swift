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

  /// Runs a program to its end.
  ///
  /// - Parameters:
  ///   - environment: added to this process's own.
  ///   - signalAfter: sends SIGINT once the predicate, asked every few milliseconds, holds.
  public static func run(
    _ arguments: [String], name: String? = nil, environment: [String: String] = [:],
    signalAfter: (() -> Bool)? = nil
  ) throws -> ProgramRun {
    let folder = try TemporaryFolder()
    let (outputPath, errorPath) = (folder("out"), folder("err"))
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errorPath, O_WRONLY | O_CREAT, 0o600)
    var variables = [String: String]()
    var entry = environ
    while let pointer = entry.pointee {
      let text = String(cString: pointer)
      if let equals = text.firstIndex(of: "=") { variables[String(text[..<equals])] = String(text[text.index(after: equals)...]) }
      entry += 1
    }
    variables.merge(environment) { $1 }
    let argv = ([name ?? path] + arguments).map { strdup($0) } + [nil]
    let envp = variables.map { strdup("\($0)=\($1)") } + [nil]
    defer { (argv + envp).forEach { free($0) } }
    var child = pid_t()
    let failure = posix_spawn(&child, path, &actions, nil, argv, envp)
    guard failure == 0 else { throw Failure(.internalError, String(cString: strerror(failure)), file: path) }
    if let signalAfter {
      while !signalAfter(), kill(child, 0) == 0 { usleep(2000) }
      kill(child, SIGINT)
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    return ProgramRun(
      status: code, output: String(decoding: try Path.read(outputPath), as: UTF8.self),
      errors: String(decoding: try Path.read(errorPath), as: UTF8.self))
  }
}
