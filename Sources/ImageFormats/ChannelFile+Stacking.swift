import Basics
import Imaging

extension ChannelFile {
  /// The shape after re-orientation.
  private var orientedShape: Shape3D {
    let sizes = orientation.permuted([shape.x, shape.y, shape.z])
    return Shape3D(sizes[2], sizes[1], sizes[0])
  }

  /// Checks that the channels of a case lie on one grid. Throws `badInput` for shapes and spacings that differ; origins
  /// and orientations that differ come back as warnings.
  static func check(_ files: [ChannelFile]) throws -> [String] {
    let first = files[0]
    var warnings: [String] = []
    for file in files.dropFirst() {
      guard file.orientedShape == first.orientedShape, file.channels == first.channels else {
        throw disagreement(
          first, file, "shape", "\(first.channels) x \(first.orientedShape)", "\(file.channels) x \(file.orientedShape)"
        )
      }
      guard zip(file.spacing.axes, first.spacing.axes).allSatisfy({ isClose($0, $1) }) else {
        throw disagreement(first, file, "spacing", "\(first.spacing)", "\(file.spacing)")
      }
      // Channels that are stored in different orders cannot share one re-orientation of the stack.
      guard file.orientation == first.orientation else {
        throw disagreement(first, file, "axis order", "\(first.orientation.axis)", "\(file.orientation.axis)")
      }
      if !file.geometry.isClose(to: first.geometry) {
        warnings.append("\(file.image.path) and \(first.image.path) differ in origin or orientation")
      }
    }
    return warnings
  }

  private static func disagreement(
    _ first: ChannelFile, _ other: ChannelFile, _ what: String, _ mine: String, _ theirs: String
  ) -> Failure {
    Failure(
      .badInput, "differs in \(what) from \(first.image.path): \(theirs) against \(mine)", file: other.image.path,
      hint: "the channels of a case must lie on one grid")
  }

  /// numpy's `allclose` with its default tolerances.
  static func isClose(_ a: Double, _ b: Double) -> Bool { a == b || abs(a - b) <= 1e-8 + 1e-5 * abs(b) }

  /// Decodes all files into one stack, several files at a time. Throws the failure of the first file that has one.
  static func decode(_ files: [ChannelFile]) throws -> Volume<Float> {
    let shape = files[0].shape
    let channels = files.reduce(0) { $0 + $1.channels }
    let total = try voxelCount([channels, shape.z, shape.y, shape.x])
    let slack = files[files.count - 1].image.voxels.usefulSlack
    var offsets = [0]
    for file in files { offsets.append(offsets[offsets.count - 1] + file.image.voxels.count) }
    let starts = offsets
    guard starts[files.count] == total else { throw Failure(.internalError, "channels do not add up") }
    let elements = try [Float](unsafeUninitializedCapacity: total + slack) { buffer, initialized in
      var failures = [Failure?](repeating: nil, count: files.count)
      let whole = UnsafeMutableBufferPointer(rebasing: buffer[0..<total + slack])
      failures.withUnsafeMutableBufferPointer { failures in
        let shared = Shared((whole: whole, failures: failures))
        Parallel.forEach(files.count) { index in
          // Only behind the last file is there room to spare.
          let end = starts[index + 1] + (index == files.count - 1 ? slack : 0)
          do {
            try files[index].decode(into: UnsafeMutableBufferPointer(rebasing: shared.value.whole[starts[index]..<end]))
          } catch let failure as Failure {
            shared.value.failures[index] = failure.located(in: files[index].image.path)
          } catch {
            shared.value.failures[index] = Failure(.internalError, "\(error)", file: files[index].image.path)
          }
        }
      }
      if let failure = failures.compactMap({ $0 }).first { throw failure }
      initialized = total
    }
    return Volume(channels: channels, shape: shape, elements: elements)
  }

  /// Decodes the voxels, channel by channel.
  private func decode(into target: UnsafeMutableBufferPointer<Float>) throws {
    guard image.isInterleaved, channels == image.components, channels > 1, let floats = target.baseAddress else {
      return try image.voxels.decode(into: target)
    }
    let pixels = try [Float](unsafeUninitializedCapacity: image.voxels.count) { buffer, initialized in
      try image.voxels.decode(into: UnsafeMutableBufferPointer(rebasing: buffer[0..<image.voxels.count]))
      initialized = image.voxels.count
    }
    let count = shape.count
    pixels.withUnsafeBufferPointer { pixels in
      for channel in 0..<channels {
        for pixel in 0..<count { floats[channel * count + pixel] = pixels[pixel * channels + channel] }
      }
    }
  }
}
