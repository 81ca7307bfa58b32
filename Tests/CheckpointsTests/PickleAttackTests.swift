import Basics
import Testing

@testable import Checkpoints

/// Pickles that try to run code, to exhaust memory or the stack, or that are simply broken.
@Suite struct PickleAttackTests {
  private func failure(_ stream: [UInt8]) -> Failure? {
    do {
      _ = try PickleFile.value(of: stream)
      return nil
    } catch {
      return error as? Failure
    }
  }

  private func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }

  private func shortText(_ text: String) -> [UInt8] { [0x8C, UInt8(text.utf8.count)] + Array(text.utf8) }

  @Test(arguments: [
    "os\nsystem", "posix\nsystem", "nt\nsystem", "subprocess\nPopen", "builtins\neval", "__builtin__\nexecfile",
    "builtins\ngetattr", "builtins\n__import__", "sys\nexit", "shutil\nrmtree", "runpy\n_run_code",
    "importlib\nimport_module", "importlib.util\nmodule_from_spec", "numpy.testing._private.utils\nrunstring",
    "torch\nos.system", "collections\nabc.sys.modules", "anything\neval", "torch.hub\nload", "pickle\nloads",
    "builtins\nobject.__subclasses__", "operator\nattrgetter", "functools\npartial", "\nsystem",
  ])
  func codeIsNeverRun(global: String) {
    let parts = global.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let arguments = ascii("(S'echo harmless'\ntR.")
    let streams: [[UInt8]] = [
      ascii("c\(global)\n") + arguments,
      [0x80, 4] + shortText(parts[0]) + shortText(parts[1]) + [0x93] + shortText("echo") + [0x85] + ascii("R."),
      ascii("(S'echo harmless'\ni\(global)\n."),
      ascii("(c\(global)\nS'echo harmless'\no."),
      // Deep inside an ordinary value, and without a call.
      ascii("}(X\u{1}\u{0}\u{0}\u{0}ac\(global)\nu."),
      // As the target of NEWOBJ.
      ascii("c\(global)\n)") + [0x81] + ascii("."),
    ]
    for stream in streams {
      let failure = failure(stream)
      #expect(failure?.kind == .badInput)
      let isNamed = failure?.message.contains(parts.joined(separator: ".")) == true
      #expect(isNamed && failure?.message.contains("never runs code") == true)
    }
  }

  @Test func unknownClassesAreInert() throws {
    let value = try PickleFile.value(of: ascii("cmypackage\nMyClass\n(K\u{1}tR}X\u{1}\u{0}\u{0}\u{0}aK\u{2}sb."))
    guard case .object(let object) = value else {
      Issue.record("not a placeholder")
      return
    }
    #expect(object.type == PickleGlobal("mypackage", "MyClass"))
    #expect(object.arguments.compactMap(\.int) == [1])
    #expect(object.state?["a"]?.int == 2)
  }

  @Test func resultsOfCallsAreNotCalled() {
    // mypackage.f()()
    #expect(failure(ascii("cmypackage\nf\n)R)R."))?.message.contains("not a named class") == true)
  }

  @Test(arguments: [
    "", ".", "K", "0.", "R.", "(.", "K\u{1}", "a.", "]a.", "}K\u{1}s.", "}(K\u{1}u.", "K\u{1}b.", "h\u{5}.",
    "g5\n.", "gx\n.", "p5\n.", "t.", "K\u{1}K\u{2}R.", "cos", "cos\n", "Ix\n.", "Fx\n.", "Sx\n.", "S'x\n.", "S'\\q'\n.",
    "V\\ud800\n.", "Q.", "P1\n.", "K\u{1}Q.", "~.", "(K\u{1}R.", "(N(K\u{1}0.", "(d(K\u{1}d.", "c_codecs\nencode\n)R.",
    "ctorch\nSize\n)R.", "cnumpy.core.multiarray\nscalar\n)R.", "cnumpy\ndtype\n(S'f8'\ntRN b.",
  ])
  func brokenStreamsFail(stream: String) {
    #expect(failure(ascii(stream))?.kind == .badInput)
  }

  @Test func lyingLengthsFail() {
    let huge: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]
    for opcode: UInt8 in [0x8D, 0x8E, 0x96] {
      #expect(failure([0x80, 4, opcode] + huge)?.kind == .badInput)
      #expect(failure([0x80, 4, opcode] + [UInt8](repeating: 0xFF, count: 8))?.kind == .badInput)
    }
    for opcode in ["X", "B", "T"] {
      #expect(failure(ascii(opcode) + huge.prefix(4) + ascii("abc."))?.kind == .badInput)
      #expect(failure(ascii(opcode) + [0xFF, 0xFF, 0xFF, 0x7F] + ascii("abc."))?.kind == .badInput)
    }
    #expect(failure([0x80, 2, 0x8B, 0xFF, 0xFF, 0xFF, 0x7F, 1])?.kind == .badInput)
    #expect(failure([0x80, 2, 0x8B, 0xFF, 0xFF, 0xFF, 0xFF, 1])?.kind == .badInput)
    #expect(failure([0x80, 9, UInt8(ascii: "N"), UInt8(ascii: ".")])?.message.contains("protocol 9") == true)
  }

  @Test func deepNestingFails() {
    // A hundred thousand lists, tuples or dictionaries inside one another.
    let depth = 100_000
    #expect(
      failure([UInt8](repeating: UInt8(ascii: "]"), count: depth) + Array(repeating: 0x61, count: depth - 1) + [0x2E])?
        .message.contains("too deeply") == true)
    #expect(failure([0x4E] + [UInt8](repeating: 0x85, count: depth) + [0x2E])?.message.contains("too deeply") == true)
    let dictionaries = Array(repeating: ascii("}N"), count: depth).flatMap { $0 }
    #expect(
      failure(dictionaries + [0x4E] + [UInt8](repeating: 0x73, count: depth) + [0x2E])?.message
        .contains("too deeply") == true)
    let objects =
      ascii("ca\nb\nq\u{0}0N") + Array(repeating: [0x85] + ascii("q\u{1}0h\u{0}h\u{1}R"), count: depth).flatMap { $0 }
    #expect(failure(objects + [0x2E])?.message.contains("too deeply") == true)
  }

  @Test func cyclesFail() {
    #expect(failure(ascii("]q\u{0}h\u{0}a."))?.message.contains("contains itself") == true)
    #expect(failure(ascii("}q\u{0}Nh\u{0}s."))?.message.contains("contains itself") == true)
  }

  @Test func sharedPartsCannotExplode() throws {
    // x = [x, x] a hundred times over: 2^100 leaves if it were unfolded.
    var stream = ascii("]K\u{1}aq\u{0}")
    for _ in 0..<100 { stream += ascii("0](h\u{0}h\u{0}eq\u{0}") }
    let value = try PickleFile.value(of: stream + [0x2E])
    #expect(throws: Failure.self) { try value.json() }
    // The same with tuples, used as a dictionary key.
    var key = ascii("K\u{1}")
    for _ in 0..<60 { key += [UInt8(ascii: "2"), 0x86] }
    #expect(failure(ascii("}") + key + ascii("Ns."))?.message.contains("key") == true)
  }

  @Test func memoAndStackAreBounded() {
    #expect(failure([UInt8](repeating: UInt8(ascii: "N"), count: 1 << 21))?.message.contains("memory") == true)
    #expect(failure([UInt8](repeating: UInt8(ascii: "("), count: 1 << 21))?.message.contains("memory") == true)
    // Tuples that are dropped at once still count: they live as long as the machine.
    let tuples = Array(repeating: ascii(")0"), count: 3 << 20)
    #expect(failure(Array(tuples.joined()))?.message.contains("memory") == true)
    #expect(failure([0x4E] + [UInt8](repeating: 0x94, count: 3 << 20))?.message.contains("memory") == true)
  }

  @Test func constructorsCannotProduceGigabytes() {
    // One megabyte of text, encoded again and again by four-byte sequences.
    let text = ascii("X") + [0, 0, 0x10, 0] + [UInt8](repeating: 0x61, count: 1 << 20)
    var stream =
      ascii("c_codecs\nencode\nq\u{0}0") + text + ascii("X\u{6}\u{0}\u{0}\u{0}latin1") + [0x86] + ascii("q\u{1}0](")
    for _ in 0..<100_000 { stream += ascii("h\u{0}h\u{1}R") }
    #expect(failure(stream + ascii("e."))?.message.contains("memory") == true)
  }
}
