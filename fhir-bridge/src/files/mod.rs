//! What the bridge reads from its folder and from the site's: the key of the pseudonyms, and mapping files. The mapping
//! itself touches no file.

pub mod mappings;
pub mod site_key;
