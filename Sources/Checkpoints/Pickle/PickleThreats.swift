/// Names that no data file has a reason to mention.
///
/// The reader never calls anything, so this list protects nobody from code; it turns an attack into a clear message
/// instead of a placeholder that goes unnoticed.
enum PickleThreats {
  static func isDangerous(_ global: PickleGlobal) -> Bool {
    let path = global.module.split(separator: ".") + global.name.split(separator: ".")
    guard let root = path.first else { return true }
    if root == "builtins" || root == "__builtin__" {
      return path.count != 2 || !harmlessBuiltins.contains(String(path[1]))
    }
    if modules.contains(String(root)) { return true }
    if prefixes.contains(where: { global.module == $0 || global.module.hasPrefix($0 + ".") }) { return true }
    // A dotted name reaches through a module into what that module has imported ("numpy" "os.system"), and a
    // function of this name is dangerous wherever it lives.
    let attributes = global.name.split(separator: ".")
    return attributes.dropLast().contains { modules.contains(String($0)) }
      || attributes.contains { functions.contains(String($0)) }
  }

  /// Plain types; all other builtins are refused.
  private static let harmlessBuiltins: Set<String> = [
    "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "long", "object", "range",
    "set", "slice", "str", "tuple", "unicode", "xrange",
  ]

  /// Modules that run programs or code, load code, or reach files and the network.
  private static let modules: Set<String> = [
    "_io", "_pickle", "_posixsubprocess", "_thread", "aiohttp", "ast", "asyncio", "atexit", "bdb", "cProfile",
    "cPickle",
    "cloudpickle", "code", "codecs", "codeop", "commands", "concurrent", "ctypes", "cffi", "dill", "distutils",
    "ensurepip", "fileinput", "ftplib", "functools", "gc", "glob", "http", "httplib", "imaplib", "imp", "importlib",
    "inspect", "io", "joblib", "linecache", "lib2to3", "marshal", "mmap", "multiprocessing", "nt", "nturl2path",
    "ntpath", "operator", "os", "pdb", "pickle", "pip", "pkg_resources", "pkgutil", "platform", "poplib", "popen2",
    "posix", "posixpath", "profile", "pty", "pydoc", "requests", "resource", "rlcompleter", "runpy", "select",
    "selectors", "setuptools", "shelve", "shlex", "shutil", "signal", "site", "smtplib", "socket", "socketserver",
    "sqlite3", "ssl", "subprocess", "sys", "sysconfig", "tarfile", "telnetlib", "tempfile", "test", "threading",
    "timeit", "trace", "types", "unittest", "urllib", "urllib2", "urllib3", "uuid", "venv", "webbrowser", "weakref",
    "xmlrpc", "zipfile", "zipimport",
  ]

  /// Dangerous parts of packages that are otherwise common in checkpoints.
  private static let prefixes: [String] = [
    "numpy.ctypeslib", "numpy.distutils", "numpy.f2py", "numpy.testing", "torch._dynamo", "torch._inductor",
    "torch.hub", "torch.package", "torch.utils.cpp_extension", "torch.utils.bottleneck", "torch.multiprocessing",
  ]

  private static let functions: Set<String> = [
    "__builtins__", "__class__", "__getattribute__", "__globals__", "__import__", "__reduce__", "__subclasses__",
    "attrgetter", "breakpoint", "compile", "delattr", "eval", "exec", "execfile", "execv", "execve", "fromfile",
    "getattr", "import_module", "loads", "memmap", "methodcaller", "popen", "runstring", "setattr", "spawn", "system",
  ]
}
