/// A file's bytes, damaged in one of three ways by turns: cut short, or changed in one place, half the time among the
/// first `header` bytes, which are what is followed.
public func damaged(
  _ bytes: [UInt8], trial: Int, header: Int, using generator: inout SeededGenerator
) -> [UInt8] {
  var damaged = bytes
  if trial % 3 == 0 {
    damaged.removeLast(Int.random(in: 1..<bytes.count, using: &generator))
  } else {
    let place = Int.random(in: 0..<(trial % 3 == 1 ? header : bytes.count), using: &generator)
    damaged[place] ^= UInt8.random(in: 1...255, using: &generator)
  }
  return damaged
}
