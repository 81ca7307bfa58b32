import Basics
struct WeightStore {
  var root: String
  var catalogue: TaskCatalogue
  func modelFolder(for part: TaskPart, small: Bool) throws -> String {
    let source = try catalogue.dataset(part.dataset)
    return Path.join(Path.join(root, source.folder), "\(part.trainer)__\(part.plans)__\(part.configuration)")
  }
  func folds(of part: TaskPart, in folder: String) throws -> [String] { part.folds?.map(String.init) ?? ["0"] }
}
