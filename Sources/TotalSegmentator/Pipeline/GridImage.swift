import ImageFormats
import Imaging

/// An image on some grid: voxels (Z, Y, X) and the affine from voxel index to RAS millimetres.
struct GridImage: Sendable {
  var voxels: Volume<Float>
  var affine: Affine

  var shape: Shape3D { voxels.shape }
}
