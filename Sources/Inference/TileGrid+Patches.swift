import Imaging

extension TileGrid {
  /// Network inputs cut out of an image (C, Z, Y, X) at evenly chosen tiles, at most `limit` of them.
  public func patches(of image: Volume<Float>, limit: Int) -> [[Float]] {
    precondition(image.shape == imageShape)
    let chosen = min(count, max(1, limit))
    // In the middle of equal parts of all tiles, so that a single patch lies in the middle of the image.
    return (0..<chosen).map { part in
      let (row, rest) = ((2 * part + 1) * count / (2 * chosen)).quotientAndRemainder(
        dividingBy: starts[1].count * starts[2].count)
      let (y, x) = rest.quotientAndRemainder(dividingBy: starts[2].count)
      let tile = Tile(
        start: Shape3D(starts[0][row], starts[1][y], starts[2][x]), patch: patchShape, image: imageShape)
      return [Float](unsafeUninitializedCapacity: image.channels * patchShape.count) { buffer, initialized in
        if let base = buffer.baseAddress { Flip.none.copy(tile, of: image, to: base) }
        initialized = image.channels * patchShape.count
      }
    }
  }
}
