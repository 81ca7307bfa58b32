import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Runs another program and waits for it; for installation only.
enum Subprocess {
  /// The program's exit status, 128 + signal when it was killed; nil when there is no such program on `PATH`.
  ///
  /// - Parameters:
  ///   - arguments: The first is the program's name.
  ///   - environment: All of the program's environment variables; `PATH` among them is where it is looked for.
  ///   - isQuiet: Whether its output goes nowhere; otherwise both of its outputs go to the standard error.
  static func run(_ arguments: [String], environment: [String: String], isQuiet: Bool) throws -> Int32? {
    guard let name = arguments.first, let program = find(name, on: environment["PATH"] ?? "") else { return nil }
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t?
    #else
      var actions = posix_spawn_file_actions_t()
    #endif
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    if isQuiet { posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0) }
    posix_spawn_file_actions_adddup2(&actions, 2, 1)

    var argumentPointers = arguments.map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { for pointer in argumentPointers + variables { free(pointer) } }
    var process: pid_t = 0
    let status = posix_spawn(&process, program, &actions, nil, &argumentPointers, &variables)
    guard status == 0 else {
      throw Failure(.engine, "cannot be started: \(String(cString: strerror(status)))", file: program)
    }
    var result: Int32 = 0
    while waitpid(process, &result, 0) < 0 {
      guard errno == EINTR else { throw Failure(.engine, "was lost: \(systemMessage())", file: program) }
    }
    let signal = result & 0x7F
    return signal == 0 ? result >> 8 & 0xFF : 128 + signal
  }

  /// All environment variables of this process.
  static var environment: [String: String] {
    var variables: [String: String] = [:]
    var next = environ
    while let entry = next.pointee {
      let text = String(cString: entry)
      if let equals = text.firstIndex(of: "=") {
        variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
      }
      next += 1
    }
    return variables
  }

  private static func find(_ name: String, on path: String) -> String? {
    if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
    return path.split(separator: ":").lazy.map { Path.join(String($0), name) }
      .first { Path.isFile($0) && access($0, X_OK) == 0 }
  }
}
