/// How far two answers of a network find the same: the Dice of everything but background, over all voxels that were added.
///
/// Background is left out because most of an image is background: a network that finds nothing would agree there.
struct ForegroundOverlap {
  /// Whether every channel is a region of its own, found where its logit is positive; else the largest logit wins, and
  /// channel 0 is background.
  let hasRegions: Bool
  private var common = 0
  private var total = 0

  init(hasRegions: Bool) { self.hasRegions = hasRegions }

  /// Nil when nothing was found in either.
  var dice: Float? { total == 0 ? nil : Float(2 * common) / Float(total) }

  /// Adds a patch: logits of shape (channels, voxels).
  mutating func add(_ left: [Float], _ right: [Float], channels: Int) {
    guard hasRegions else { return addWinners(left, right, channels: channels) }
    for (left, right) in zip(left, right) { count(left > 0, right > 0, areSame: true) }
  }

  private mutating func addWinners(_ left: [Float], _ right: [Float], channels: Int) {
    let voxels = left.count / max(1, channels)
    func winner(_ logits: [Float], _ voxel: Int) -> Int {
      (0..<channels).max { logits[$0 * voxels + voxel] < logits[$1 * voxels + voxel] } ?? 0
    }
    for voxel in 0..<voxels {
      let (left, right) = (winner(left, voxel), winner(right, voxel))
      count(left != 0, right != 0, areSame: left == right)
    }
  }

  private mutating func count(_ left: Bool, _ right: Bool, areSame: Bool) {
    total += (left ? 1 : 0) + (right ? 1 : 0)
    if left, right, areSame { common += 1 }
  }
}
