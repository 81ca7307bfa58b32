import Basics
import CKernels

/// Keeps what teachers have answered, in half precision, a file for each batch that is named by what was asked.
///
/// A file belongs to an image and not to its number, so other data, another seed or other augmentation never find a
/// wrong answer, and several students, one after the other or at the same time, share theirs. Whether an answer was
/// found or computed makes no difference: both are rounded.
public final class TeacherAnswers {
  public let folder: String
  private let half: UnsafeMutableBufferPointer<UInt16>
  /// How often a file was found, and how often the teachers were asked.
  public private(set) var found = 0
  public private(set) var asked = 0
  private let warn: (String) -> Void
  /// Whether new answers are kept; not any more once that has failed.
  private var stores = true

  /// - Parameters:
  ///   - folder: is made; files of other teachers may not lie in it.
  ///   - count: the values of an answer.
  ///   - warn: is told at most once that answers cannot be kept any more.
  /// - Throws: `cannotWrite`.
  public init(folder: String, count: Int, warn: @escaping (String) -> Void = { _ in }) throws {
    self.folder = folder
    self.warn = warn
    half = .allocate(capacity: count)
    half.initialize(repeating: 0)
    try Path.makeFolder(folder)
  }

  deinit { half.deallocate() }

  /// As `TeacherEnsemble.answer`, but rounded to half precision.
  func answer(
    _ images: UnsafeBufferPointer<Float>, from teachers: TeacherEnsemble,
    into answers: UnsafeMutableBufferPointer<Float>
  ) throws {
    precondition(answers.count == half.count)
    guard let rounded = half.baseAddress, let target = answers.baseAddress else { return }
    var fingerprint = Fingerprint()
    fingerprint.add(UnsafeRawBufferPointer(images))
    let path = Path.join(folder, fingerprint.hexadecimal + ".f16")
    if load(path) {
      found += 1
    } else {
      try teachers.answer(images, into: answers)
      mt_floats_to_half(rounded, target, answers.count)
      keep(path)
      asked += 1
    }
    mt_half_to_floats(target, rounded, answers.count)
  }

  /// The fingerprint behind the values tells a file that a power failure has cut off in the middle.
  private var seal: [UInt8] {
    var fingerprint = Fingerprint()
    fingerprint.add(UnsafeRawBufferPointer(half))
    return Array(fingerprint.hexadecimal.utf8)
  }

  private func load(_ path: String) -> Bool {
    let bytes = UnsafeMutableRawBufferPointer(half)
    guard Path.isFile(path), let file = try? MappedFile(path: path), file.bytes.count == bytes.count + 32 else {
      return false
    }
    bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: file.bytes[..<bytes.count]))
    return file.bytes[bytes.count...].elementsEqual(seal)
  }

  /// Stores an answer if that is possible: it saves time the next time, but a training does not need it.
  private func keep(_ path: String) {
    guard stores, (try? store(path)) == nil else { return }
    do {
      // Users may remove the folder at any time to free its space.
      try Path.makeFolder(folder)
      try store(path)
    } catch {
      stores = false
      warn("what the teachers answer is not kept any more, and asked anew each time: \(error)")
    }
  }

  private func store(_ path: String) throws {
    let file = try AtomicFile(path: path, flushes: false)
    try file.write(UnsafeRawBufferPointer(half))
    try file.write(seal)
    try file.commit()
  }
}
