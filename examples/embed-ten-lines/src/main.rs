use belljar::Host;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = Host::builder().user_cache().build()?;
    let order = serde_json::json!({ "total": 120, "country": "DE" });
    let is_large: bool = host.evaluate("context.total > 100", &order).await?;
    println!("is it large? {is_large}");
    Ok(())
}
