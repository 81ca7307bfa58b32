import Basics

/// Interprets a pickle as data (the opcodes of Python's `pickletools`, protocols 0 to 5).
///
/// A pickle is a program for a stack machine that may ask for any Python function to be called. This machine knows a
/// short list of harmless constructors (`PickleMachine+Calls.swift`) and evaluates those itself; names that only an
/// attack would mention end the reading at once, and every other class becomes an inert placeholder.
///
/// A stream cannot make it crash or run away: the stack, the memo, the number of objects and the bytes that
/// constructors may produce are all bounded, and nothing recurses while the stream is read.
final class PickleMachine {
  /// Limits far above any real file: the largest checkpoints have some ten thousand objects.
  enum Limit {
    static let stack = 1 << 20
    static let nodes = 1 << 21
    static let memo = 1 << 21
    /// Byte strings below this size, in bytes, are copied even where they could be left in their file.
    static let copied = 1 << 12
  }

  var reader: ByteReader
  var stack: [PickleItem] = []
  /// The stack heights at which marks were set.
  var marks: [Int] = []
  var memo: [Int: PickleItem] = [:]
  /// Whether persistent ids name storages, as in PyTorch's files; otherwise they are refused.
  let allowsStorages: Bool
  /// The file that the bytes are of, where arrays may stay in it.
  let file: MappedFile?
  /// What constructors may still produce, in bytes.
  private var budget: Int
  /// Every node, so that `deinit` can take chains and cycles apart without recursion.
  private var nodes: [PickleNode] = []

  init(
    _ bytes: UnsafeRawBufferPointer, at position: Int = 0, allowsStorages: Bool = false,
    leavingIn file: MappedFile? = nil
  ) {
    reader = ByteReader(bytes, at: position)
    self.allowsStorages = allowsStorages
    self.file = file
    budget = 16 * reader.remaining + (1 << 24)
  }

  deinit {
    for node in nodes {
      node.items = []
      node.state = nil
    }
  }

  /// Reads one pickle up to its STOP and returns the result; `reader` then stands behind it. Throws `badInput`.
  func run() throws -> PickleItem {
    while true {
      let opcode = try reader.read(UInt8.self)
      if opcode == UInt8(ascii: ".") { break }
      try execute(opcode)
    }
    return try pop()
  }

  /// Turns what `run` has returned into plain values; `storage` finds the bytes of tensors. Throws `badInput`.
  func value(
    of item: PickleItem,
    storage: @escaping (StorageReference) throws -> TensorStorage = { _ in throw PickleMachine.malformed }
  ) throws -> PickleValue {
    // The nodes are taken apart when the machine goes.
    try withExtendedLifetime(self) {
      var result = PickleResult(storage: storage)
      return try result.value(item)
    }
  }

  // MARK: Stack

  func push(_ item: PickleItem) throws {
    guard stack.count < Limit.stack else { throw Self.unreasonable }
    stack.append(item)
  }

  /// The top of the stack, which must lie above the last mark.
  func pop() throws -> PickleItem {
    guard stack.count > marks.last ?? 0, let item = stack.popLast() else { throw Self.malformed }
    return item
  }

  func pop(_ count: Int) throws -> [PickleItem] {
    guard stack.count - (marks.last ?? 0) >= count else { throw Self.malformed }
    let items = Array(stack.suffix(count))
    stack.removeLast(count)
    return items
  }

  func top() throws -> PickleItem {
    guard stack.count > marks.last ?? 0, let item = stack.last else { throw Self.malformed }
    return item
  }

  /// Everything above the last mark; removes it and the mark.
  func popToMark() throws -> [PickleItem] {
    guard let mark = marks.popLast(), mark <= stack.count else { throw Self.malformed }
    let items = Array(stack[mark...])
    stack.removeLast(stack.count - mark)
    return items
  }

  func setMark() throws {
    guard marks.count < Limit.stack else { throw Self.unreasonable }
    marks.append(stack.count)
  }

  // MARK: Memory

  /// A new node, counted and registered.
  func node(_ kind: PickleNode.Kind, _ items: [PickleItem] = []) throws -> PickleItem {
    guard nodes.count < Limit.nodes else { throw Self.unreasonable }
    let node = PickleNode(kind, items)
    nodes.append(node)
    return .node(node)
  }

  /// Accounts for `bytes` that a constructor is about to produce.
  func spend(_ bytes: Int) throws {
    guard bytes >= 0, bytes <= budget else { throw Self.unreasonable }
    budget -= bytes
  }

  func memoize(_ item: PickleItem, at position: Int) throws {
    guard position >= 0 else { throw Self.malformed }
    guard memo.count < Limit.memo else { throw Self.unreasonable }
    memo[position] = item
  }

  func recall(_ position: Int) throws {
    guard let item = memo[position] else { throw Self.malformed }
    try push(item)
  }

  /// Every storage that a persistent id has named.
  var storages: [StorageReference] {
    nodes.compactMap { if case .storage(let reference) = $0.kind { reference } else { nil } }
  }

  static let malformed = Failure(
    .badInput, "holds a malformed pickle", hint: "the file is damaged, or it is not a Python pickle")
  static let unreasonable = Failure(
    .badInput, "holds a pickle that asks for an unreasonable amount of memory", hint: "do not trust this file")
}
