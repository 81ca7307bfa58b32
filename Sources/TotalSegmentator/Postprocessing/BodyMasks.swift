import Basics
import Imaging

/// The two masks that are derived from a segmentation of trunk and extremities.
public enum BodyMasks {
  /// 1 where the map has one of the labels of trunk and extremities, else 0.
  public static func body(of map: Volume<UInt8>, labels: LabelSet = [1, 2]) -> Volume<UInt8> {
    BitMask(map, labels: labels).volume
  }

  /// The skin: the shell from one voxel outside of the body to two voxels inside of it, where the image has the density of
  /// soft tissue (-200 < HU < 250), without connected parts (by faces) of five voxels or less.
  ///
  /// `body` is a mask (not 0 means body) and `image` a CT in HU on the same grid. Throws `badInput` when they differ in shape.
  public static func skin(of body: Volume<UInt8>, image: Volume<Float>) throws -> Volume<UInt8> {
    guard image.shape == body.shape else {
      throw Failure(
        .badInput, "the mask of the body has \(body.shape) voxels and the image \(image.shape)",
        hint: "both must be on the grid of the image")
    }
    var shell = BitMask(body)
    shell.dilate(iterations: 1)
    var inside = shell
    inside.erode(iterations: 3)
    shell.subtract(inside)
    shell.keep(where: image, isAbove: -200, below: 250)
    var skin = shell.volume
    skin.removeSmallComponents(of: [1], atMost: 5)
    return skin
  }
}
