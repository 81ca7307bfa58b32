import Basics
import CTaskCatalogue

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension TaskCatalogue {
  /// The catalogue that is part of the program: the tasks of TotalSegmentator.
  public static func builtIn() throws -> TaskCatalogue {
    var size = 0
    let bytes = mt_task_catalogue(&size)
    var catalogue = TaskCatalogue()
    let document = try JSON(parsing: Array(UnsafeBufferPointer(start: bytes, count: size)))
    try catalogue.add(LocatedJSON(file: "built-in tasks.json", document: document))
    return catalogue
  }

  /// The built-in catalogue and the user's files.
  ///
  /// Files are read from three places, in this order: `paths`; the variable `MICROTOME_TASKS` (files or folders, with
  /// colons between them); `$XDG_CONFIG_HOME/microtome/tasks`, by default `~/.config/microtome/tasks`. Of a folder
  /// every `.json` is read, by name. A file may add tasks, datasets, rough models, groups and so on, in the form of
  /// the built-in file, and refer to those of earlier files; it may not redefine a task.
  ///
  /// - Parameter environment: Looks up `MICROTOME_TASKS`, `XDG_CONFIG_HOME` and `HOME`.
  ///
  /// Throws `missingInput` for a file that was named and is not there, and `badInput` naming the file and the key.
  public static func load(
    extending paths: [String] = [], environment: (String) -> String? = processVariable
  ) throws -> TaskCatalogue {
    var catalogue = try builtIn()
    for path in try userFiles(paths, environment) {
      try catalogue.add(LocatedJSON(file: path, document: JSON.read(path)))
    }
    return catalogue
  }

  /// A variable of this process, nil when it is unset or empty.
  public static func processVariable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
  }

  private static func userFiles(_ paths: [String], _ environment: (String) -> String?) throws -> [String] {
    var named = paths
    named += (environment("MICROTOME_TASKS") ?? "").split(separator: ":").map(String.init)
    for path in named where !Path.exists(path) {
      throw Failure(.missingInput, "this catalogue of tasks does not exist", file: path)
    }
    let configuration = environment("XDG_CONFIG_HOME") ?? environment("HOME").map { Path.join($0, ".config") }
    if let own = configuration.map({ Path.join($0, "microtome/tasks") }), Path.isFolder(own) { named.append(own) }
    return try named.flatMap { path in
      guard Path.isFolder(path) else { return [path] }
      return try Path.list(path).filter { $0.hasSuffix(".json") && !$0.hasPrefix(".") }.map { Path.join(path, $0) }
    }
  }
}
